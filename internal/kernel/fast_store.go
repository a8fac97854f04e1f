package kernel

import "slices"

// store is an epilogue: its beginning as genericFinish applies it, and the rest.
type store struct {
	params        []float32 // [block][bias, slope, scale, shift][L]
	add, residual int
	rest          Epilogue
}

// copying is the parameters, [bias, slope, scale, shift][L], of a scatter or a store that keep every bit.
func (f *functions) copying() []float32 {
	params := make([]float32, 4*f.lanes)
	for i := range f.lanes {
		params[i], params[f.lanes+i], params[2*f.lanes+i], params[3*f.lanes+i] = negativeZero, 1, 1, negativeZero
	}
	return params
}

// newStore takes as much as it can of an epilogue, of len(bias) channels.
func (f *functions) newStore(bias []float32, ep Epilogue, residual bool) store {
	lanes := f.lanes
	s := store{params: make([]float32, roundUp(len(bias), lanes)*4)}
	take := func(kind StageKind) (stage Stage, ok bool) {
		if len(ep) > 0 && ep[0].Kind == kind {
			stage, ep, ok = ep[0], ep[1:], true
		}
		return stage, ok
	}
	add := func(when int) {
		if residual && s.add == addNever {
			if stage, ok := take(StageAdd); ok {
				s.add, s.residual = when, stage.Residual
			}
		}
	}
	set := func(param int, value func(oc int) float32) {
		for oc := range bias {
			s.params[(oc/lanes*4+param)*lanes+oc%lanes] = value(oc)
		}
	}
	set(0, func(oc int) float32 { return bias[oc] })
	add(addFirst)
	slope, _ := take(StagePRelu)
	set(1, func(oc int) float32 { return channelValue(slope.Slope, oc, 1) })
	affine, _ := take(StageAffine)
	set(2, func(oc int) float32 { return channelValue(affine.Scale, oc, 1) })
	set(3, func(oc int) float32 { return channelValue(affine.Shift, oc, 0) })
	add(addLast)
	s.rest = ep
	return s
}

// withBias returns the epilogue with another bias.
func (s store) withBias(lanes int, bias []float32) store {
	s.params = slices.Clone(s.params)
	for oc, v := range bias {
		s.params[oc/lanes*4*lanes+oc%lanes] = v
	}
	return s
}

// blocks reports whether the epilogue can be applied to blocked images: what is left of it does not tell channels apart, nor makes those that fill
// a block infinite.
func (s *store) blocks() bool {
	return !slices.ContainsFunc(s.rest, func(st Stage) bool { return st.perChannel() || !st.within() })
}

// MostWithin bounds numbers that all channels of a block may meet, those that fill it too: with larger ones, infinite ones above all, they could
// overflow where the others do not.
const MostWithin = 1 << 40

// within reports whether the stage scales, shifts and gates by numbers within MostWithin.
func (s Stage) within() bool {
	return !slices.ContainsFunc(slices.Concat(s.Scale, s.Shift, s.Slope), func(v float32) bool { return !(max(v, -v) <= MostWithin) })
}

// row applies the epilogue to pixels of a block, whose first element is element at of the destination and of residuals. It
// uses src as scratch; dst may be a part of a residual.
func (s *store) row(f *functions, dst, src []float32, block, at int, residuals [][]float32) {
	var residual []float32
	if s.add != addNever {
		residual = residuals[s.residual][at:]
	}
	params := s.params[4*block*f.lanes:]
	if len(s.rest) == 0 {
		f.store[s.add](dst, src, residual, params)
		return
	}
	src = src[:len(dst)]
	f.store[s.add](src, src, residual, params)
	s.rest.apply(dst, src, 0, at, residuals)
}
