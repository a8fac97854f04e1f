package graph

import (
	"fmt"

	"github.com/gansr/gansr/internal/kernel"
)

// MatMul is the matrix product over the last two axes, of the transposes where asked for; the axes in front broadcast as in
// numpy. Integers wrap.
type MatMul struct {
	TransA, TransB bool
}

func (MatMul) Name() string { return "MatMul" }

// sizes returns the product's rows, columns and the length of its sums.
func (m MatMul) sizes(a, b []int) (rows, cols, depth, depthB int) {
	a, b = a[len(a)-2:], b[len(b)-2:]
	rows, depth, depthB, cols = a[0], a[1], b[0], b[1]
	if m.TransA {
		rows, depth = depth, rows
	}
	if m.TransB {
		depthB, cols = cols, depthB
	}
	return rows, cols, depth, depthB
}

func (m MatMul) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("MatMul", in, 2, 2); err != nil {
		return nil, err
	}
	a, b := in[0], in[1]
	if a.DType != b.DType || a.DType == Bool {
		return nil, fmt.Errorf("MatMul of %v and %v is not defined", a.DType, b.DType)
	}
	if a.Rank() < 2 || b.Rank() < 2 {
		return nil, fmt.Errorf("MatMul of %v and %v: both should have two or more axes", a, b)
	}
	rows, cols, depth, depthB := m.sizes(a.Shape, b.Shape)
	if depth != depthB {
		return nil, fmt.Errorf("MatMul of %v and %v: sums over %d and %d elements do not fit", a, b, depth, depthB)
	}
	batch, err := BroadcastShape(a.Shape[:a.Rank()-2], b.Shape[:b.Rank()-2])
	if err != nil {
		return nil, fmt.Errorf("MatMul of %v and %v: %w", a, b, err)
	}
	return []Type{{a.DType, append(batch, rows, cols)}}, nil
}

// FLOPs counts a multiplication and an addition for each element of the result and of the sums.
func (m MatMul) FLOPs(in, out []Type) int64 {
	_, _, depth, _ := m.sizes(in[0].Shape, in[1].Shape)
	return 2 * int64(depth) * int64(out[0].Len())
}

func (m MatMul) Eval(x *Exec, out, in []*Tensor) error {
	if out[0].Len() == 0 {
		return nil
	}
	switch out[0].dtype {
	case Float32:
		m.float32(x, out[0], in[0], in[1])
	case Float64:
		refMatMul[float64](m, x, out[0], in[0], in[1])
	case Int8:
		refMatMul[int8](m, x, out[0], in[0], in[1])
	case Int16:
		refMatMul[int16](m, x, out[0], in[0], in[1])
	case Int32:
		refMatMul[int32](m, x, out[0], in[0], in[1])
	case Int64:
		refMatMul[int64](m, x, out[0], in[0], in[1])
	case Uint8:
		refMatMul[uint8](m, x, out[0], in[0], in[1])
	case Uint16:
		refMatMul[uint16](m, x, out[0], in[0], in[1])
	case Uint32:
		refMatMul[uint32](m, x, out[0], in[0], in[1])
	case Uint64:
		refMatMul[uint64](m, x, out[0], in[0], in[1])
	}
	return nil
}

func (m MatMul) float32(x *Exec, out, a, b *Tensor) {
	rows, cols, depth, _ := m.sizes(a.shape, b.shape)
	da, db, dc := Data[float32](a), Data[float32](b), Data[float32](out)
	if depth == 0 {
		clear(dc)
		return
	}
	lda, ldb := a.shape[len(a.shape)-1], b.shape[len(b.shape)-1]
	if len(db) == depth*cols && !m.TransA { // one matrix for the whole batch: its rows are those of one product
		rows = len(dc) / cols
	}
	offsets := m.batch(out.shape, a.shape, b.shape)
	kernel.GemmBatch(x.Pool, len(dc)/(rows*cols), func(i int) (_, _, _ []float32) {
		oa, ob := offsets(i)
		return da[oa:], db[ob:], dc[i*rows*cols:]
	}, rows, cols, depth, lda, m.TransA, ldb, m.TransB, cols, false)
}

func refMatMul[T number](m MatMul, x *Exec, out, a, b *Tensor) {
	rows, cols, depth, _ := m.sizes(a.shape, b.shape)
	da, db, dc := Data[T](a), Data[T](b), Data[T](out)
	lda, ldb := a.shape[len(a.shape)-1], b.shape[len(b.shape)-1]
	offsets := m.batch(out.shape, a.shape, b.shape)
	x.parallel(len(dc)/(rows*cols), max(1, grain/(rows*cols*max(depth, 1))), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			oa, ob := offsets(i)
			kernel.RefGemm(rows, cols, depth, da[oa:], lda, m.TransA, db[ob:], ldb, m.TransB, dc[i*rows*cols:], cols, false)
		}
	})
}

// batch returns a function that gives the offsets of the operands' matrices of the i-th product.
func (MatMul) batch(out, a, b []int) func(i int) (int, int) {
	sizeA, sizeB := a[len(a)-2]*a[len(a)-1], b[len(b)-2]*b[len(b)-1]
	dims, sa, sb := broadcastStrides(out[:len(out)-2], a[:len(a)-2], b[:len(b)-2])
	return func(i int) (oa, ob int) {
		for k := len(dims) - 1; k >= 0; k-- {
			oa += i % dims[k] * sa[k] * sizeA
			ob += i % dims[k] * sb[k] * sizeB
			i /= dims[k]
		}
		return oa, ob
	}
}

// gradient: a matrix that is multiplied by a whole batch is multiplied by the batch's rows as one matrix.
func (m MatMul) gradient(d *derivation) []*Value {
	a, b, g := d.in[0], d.in[1], d.grad(0)
	if ranks := b.typ.Rank(); ranks < g.typ.Rank() && ranks == 2 && !m.TransA {
		rows := func(v *Value) *Value {
			n := v.typ.Shape[v.typ.Rank()-1]
			return d.reshape(v, v.typ.Len()/max(1, n), n)
		}
		gs := m.products(d, rows(a), b, rows(g))
		if gs[0] != nil {
			gs[0] = d.reshape(gs[0], a.typ.Shape...)
		}
		return gs
	}
	return d.broadcast(m.products(d, a, b, g))
}

// products returns the gradients of m's operands a and b from that of its result, as matrices.
func (m MatMul) products(d *derivation, a, b, g *Value) []*Value {
	gs := make([]*Value, 2)
	switch {
	case !d.wants[0]:
	case m.TransA:
		gs[0] = d.apply(MatMul{TransA: m.TransB, TransB: true}, b, g)
	default:
		gs[0] = d.apply(MatMul{TransB: !m.TransB}, g, b)
	}
	switch {
	case !d.wants[1]:
	case m.TransB:
		gs[1] = d.apply(MatMul{TransA: true, TransB: m.TransA}, g, a)
	default:
		gs[1] = d.apply(MatMul{TransA: !m.TransA}, a, g)
	}
	return gs
}

// broadcast sums over the batches that an operand was repeated for.
func (d *derivation) broadcast(gs []*Value) []*Value {
	for i, g := range gs {
		if g != nil {
			gs[i] = d.sumTo(g, g.typ.Shape, d.in[i].typ.Shape)
		}
	}
	return gs
}
