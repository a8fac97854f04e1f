package graph

// Not is the opposite of a bool.
type Not struct{}

var notLoops = loops{Bool: func(dst, a []bool) {
	for i, v := range a {
		dst[i] = !v
	}
}}

func (Not) Name() string                          { return "Not" }
func (Not) Infer(in []Type) ([]Type, error)       { return inferUnary("Not", &notLoops, in) }
func (Not) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &notLoops, out[0], in[0]) }
func (Not) inPlace() []int                        { return []int{0} }
