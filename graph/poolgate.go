package graph

import (
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// gatedPool is MaxPoolGradient by quarters, gated by x while its rows are in a cache: a Gate follows where a Relu was before the pool. Operands: x, g,
// and the slope, one number.
type gatedPool struct{ MaxPoolGradient }

func (gatedPool) Name() string { return "Gate" }

func (p gatedPool) Infer(in []Type) ([]Type, error) { return p.MaxPoolGradient.Infer(in[:2]) }

func (p gatedPool) Eval(x *Exec, out, in []*Tensor) error {
	d, by, slope := Data[float32](out[0]), Data[float32](in[0]), Data[float32](in[2])[0]
	p.byQuarters(x, out[0], in[0], in[1], func(from, end int) {
		kernel.Gate(d[from:end], d[from:end], by[from:end], slope)
	})
	return nil
}

// joinPools joins gradients of pools with the gates that alone read them.
func (c *compiler) joinPools() {
	s := c.s
	readers := map[int]int{}
	for _, st := range s.steps {
		for _, v := range slices.Concat(st.in, st.res) {
			readers[v]++
		}
	}
	for _, v := range s.outputs {
		readers[v]++
	}
	gradients := map[int]int{} // by slot, the steps that write them
	joined := map[int]bool{}
	for i, st := range s.steps {
		switch op := st.op.(type) {
		case MaxPoolGradient:
			x, g := s.slots[st.in[0]].typ, s.slots[st.in[1]].typ
			if v := st.out[0]; x.DType == Float32 && op.quarters(x.Shape, g.Shape) && readers[v] == 1 {
				gradients[v] = i
			}
		case Gate:
			k, ok := gradients[st.in[0]]
			if !ok || st.in[1] != s.steps[k].in[0] || s.slots[st.in[2]].typ.Len() != 1 {
				continue
			}
			pool := s.steps[k]
			s.slots[pool.out[0]].kind = unusedSlot
			s.steps[i] = step{op: gatedPool{pool.op.(MaxPoolGradient)}, in: append(slices.Clone(pool.in), st.in[2]), out: st.out, label: pool.label + "+" + st.label}
			joined[k] = true
		}
	}
	var steps []step
	for i, st := range s.steps {
		if !joined[i] {
			steps = append(steps, st)
		}
	}
	s.steps = steps
}
