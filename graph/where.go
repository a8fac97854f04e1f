package graph

import "fmt"

// Where takes elements from a where the condition is true and from b elsewhere, all three with numpy's broadcasting.
// Operands: the condition (bool), a and b of one type.
type Where struct{ mover }

func (Where) Name() string { return "Where" }

func (Where) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Where", in, 3, 3); err != nil {
		return nil, err
	}
	if in[0].DType != Bool || in[1].DType != in[2].DType {
		return nil, fmt.Errorf("Where of %v, %v and %v is not defined: a bool and two of one type are needed", in[0].DType, in[1].DType, in[2].DType)
	}
	shape, err := BroadcastShape(in[0].Shape, in[1].Shape, in[2].Shape)
	if err != nil {
		return nil, fmt.Errorf("Where: %w", err)
	}
	return []Type{{in[1].DType, shape}}, nil
}

func (Where) Eval(x *Exec, out, in []*Tensor) error {
	if err := (Expand{Shape: out[0].shape}).Eval(x, out, in[1:2]); err != nil {
		return err
	}
	moveData(mover4{replace[uint8](x, out, in), replace[uint16](x, out, in), replace[uint32](x, out, in), replace[uint64](x, out, in)}, out[0], in[2])
	return nil
}

func (Where) inPlace() []int { return []int{1} }

// replace returns a function that writes b, broadcast, to the result where the condition is false.
func replace[T any](x *Exec, out, in []*Tensor) func(dst, b []T) {
	return func(dst, b []T) {
		broadcast(x, func(dst []T, cond []bool, b []T) {
			for i, c := range cond {
				if !c {
					dst[i] = b[i]
				}
			}
		}, dst, Data[bool](in[0]), b, out[0].shape, in[0].shape, in[2].shape)
	}
}

func (Where) gradient(d *derivation) []*Value {
	return d.operands(nil,
		func() *Value { return d.keep(d.in[0], d.thin(0)) },
		func() *Value { return d.apply(Where{}, d.in[0], d.num(0), d.thin(0)) })
}
