package graph

// Or is true where one of the operands is, with numpy's broadcasting.
type Or struct{}

var orLoops = loops{Bool: func(dst, a, b []bool) {
	for i := range dst {
		dst[i] = a[i] || b[i]
	}
}}

func (Or) Name() string                    { return "Or" }
func (Or) Infer(in []Type) ([]Type, error) { return inferBinary("Or", &orLoops, in) }
func (Or) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &orLoops, out[0], in[0], in[1])
}
func (Or) inPlace() []int { return []int{0, 1} }
