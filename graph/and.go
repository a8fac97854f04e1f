package graph

// And is true where both operands are, with numpy's broadcasting.
type And struct{}

var andLoops = loops{Bool: func(dst, a, b []bool) {
	for i := range dst {
		dst[i] = a[i] && b[i]
	}
}}

func (And) Name() string                    { return "And" }
func (And) Infer(in []Type) ([]Type, error) { return inferBinary("And", &andLoops, in) }
func (And) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &andLoops, out[0], in[0], in[1])
}
func (And) inPlace() []int { return []int{0, 1} }
