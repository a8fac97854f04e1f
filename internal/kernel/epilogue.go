package kernel

import "fmt"

// StageKind is what a Stage does to an element x of output channel c.
type StageKind int

// The stages of an Epilogue.
const (
	StageAffine  StageKind = iota // x*Scale[c] + Shift[c]
	StagePRelu                    // x if x >= 0, else x*Slope[c]; a slope of 0 is Relu. NaN stays NaN
	StageClip                     // min(max(x, Lo), Hi). NaN stays NaN
	StageAdd                      // x + residuals[Residual], at the same index as the output
	StageGate                     // x*Slope[c] if residuals[Residual] <= 0 at the same index, else x: the gradient of PRelu
	StageSigmoid                  // 1/(1+exp(-x))
	StageTanh
)

// Stage is one step of an Epilogue; a kind reads only its own fields.
type Stage struct {
	Kind         StageKind
	Scale, Shift []float32 // Affine: one value or one per channel; nil stands for 1 and 0
	Slope        []float32 // PRelu, Gate: one value or one per channel
	Lo, Hi       float32   // Clip
	Residual     int       // Add, Gate: index into the residuals passed to Run
}

// perChannel reports whether what the stage does depends on the channel.
func (s Stage) perChannel() bool { return max(len(s.Scale), len(s.Shift), len(s.Slope)) > 1 }

// HasResidual reports whether the stage reads a residual.
func (s Stage) HasResidual() bool { return s.Kind == StageAdd || s.Kind == StageGate }

// Epilogue is applied to each output element, stage by stage, while it is in cache. A bias is an Affine with Shift.
type Epilogue []Stage

func (e Epilogue) validate(channels int) error {
	perChannel := func(i int, name string, v []float32, required bool) error {
		if len(v) == 1 || len(v) == channels || v == nil && !required {
			return nil
		}
		return fmt.Errorf("kernel: epilogue stage %d has a %s of %d values, must be 1 or the %d channels", i, name, len(v), channels)
	}
	for i, s := range e {
		var err error
		switch s.Kind {
		case StageAffine:
			if err = perChannel(i, "scale", s.Scale, false); err == nil {
				err = perChannel(i, "shift", s.Shift, false)
			}
		case StagePRelu:
			err = perChannel(i, "slope", s.Slope, true)
		case StageAdd:
		case StageGate:
			err = perChannel(i, "slope", s.Slope, true)
		case StageClip, StageSigmoid, StageTanh:
		default:
			err = fmt.Errorf("kernel: epilogue stage %d is of unknown kind %d", i, s.Kind)
		}
		if err == nil && s.HasResidual() && s.Residual < 0 {
			err = fmt.Errorf("kernel: epilogue stage %d reads residual %d", i, s.Residual)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply runs the epilogue over a run of elements of one channel: x is read and used as scratch, dst receives the result
// and may be x; at is the index of the run in the output, for residuals. dst may be (part of) a residual: it is written
// last.
func (e Epilogue) apply(dst, x []float32, channel, at int, residuals [][]float32) {
	if len(e) == 0 {
		copy(dst, x)
	}
	for i, s := range e {
		out := x
		if i == len(e)-1 {
			out = dst
		}
		switch s.Kind {
		case StageAffine:
			ScaleShift(out, x, channelValue(s.Scale, channel, 1), channelValue(s.Shift, channel, 0))
		case StagePRelu:
			PRelu(out, x, channelValue(s.Slope, channel, 0))
		case StageClip:
			Clip(out, x, s.Lo, s.Hi)
		case StageAdd:
			Add(out, x, residuals[s.Residual][at:at+len(x)])
		case StageGate:
			Gate(out, x, residuals[s.Residual][at:at+len(x)], channelValue(s.Slope, channel, 0))
		case StageSigmoid:
			Sigmoid(out, x)
		case StageTanh:
			Tanh(out, x)
		}
	}
}

func channelValue(v []float32, channel int, missing float32) float32 {
	switch len(v) {
	case 0:
		return missing
	case 1:
		return v[0]
	}
	return v[channel]
}
