package graph

// Detach is its operand, taken to be a constant by Gradients.
type Detach struct {
	mover
	stationary
}

func (Detach) Name() string { return "Detach" }
func (Detach) view()        {}

func (Detach) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Detach", in, 1, 1); err != nil {
		return nil, err
	}
	return []Type{in[0]}, nil
}

func (Detach) Eval(_ *Exec, out, in []*Tensor) error {
	copyTensor(out[0], in[0])
	return nil
}
