package graph

import (
	"fmt"
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Softmax is exp(x) divided by its sum along an axis, or the logarithm of that if Log is set. It does not overflow.
type Softmax struct {
	Axis int // not negative
	Log  bool
}

func (s Softmax) Name() string {
	if s.Log {
		return "LogSoftmax"
	}
	return "Softmax"
}

func (s Softmax) Infer(in []Type) ([]Type, error) {
	if err := wantOperands(s.Name(), in, 1, 1); err != nil {
		return nil, err
	}
	if !in[0].DType.IsFloat() || s.Axis < 0 || s.Axis >= in[0].Rank() {
		return nil, fmt.Errorf("%s of %v along axis %d is not defined", s.Name(), in[0], s.Axis)
	}
	return []Type{in[0]}, nil
}

func (s Softmax) Eval(x *Exec, out, in []*Tensor) error {
	outer, n, inner := split(in[0].shape, s.Axis)
	if out[0].Len() == 0 {
		return nil
	}
	switch a := in[0].data.(type) {
	case []float32:
		d := Data[float32](out[0])
		if inner == 1 {
			x.parallel(outer, max(1, grain/8/n), func(lo, hi int) {
				for i := lo; i < hi; i++ {
					s.row(d[i*n:(i+1)*n], a[i*n:(i+1)*n])
				}
			})
			return nil
		}
		width := min(inner, chunk/4)
		parts := (inner + width - 1) / width
		x.parallel(outer*parts, max(1, grain/8/(n*width)), func(lo, hi int) {
			buf := make([]float32, 3*width)
			for i := lo; i < hi; i++ {
				from := i % parts * width
				at := i/parts*n*inner + from
				s.columns(d[at:], a[at:], n, inner, min(width, inner-from), buf)
			}
		})
	case []float64:
		d := Data[float64](out[0])
		for i := range outer * inner {
			at := i/inner*n*inner + i%inner
			s.plain(d[at:], a[at:], n, inner)
		}
	}
	return nil
}

// split returns the numbers of elements before, along and after an axis.
func split(shape []int, axis int) (outer, n, inner int) {
	outer, _ = Numel(shape[:axis])
	inner, _ = Numel(shape[axis+1:])
	return outer, shape[axis], inner
}

// row computes contiguous elements.
func (s Softmax) row(dst, a []float32) {
	m := kernel.ReduceMax(a)
	if !s.Log {
		kernel.ExpSub(dst, a, m)
		kernel.MulScalar(dst, dst, float32(1/kernel.Sum(dst)))
		return
	}
	var buf [256]float32
	sum := 0.0
	for i := 0; i < len(a); i += len(buf) {
		e := buf[:min(len(buf), len(a)-i)]
		kernel.ExpSub(e, a[i:], m)
		sum += kernel.Sum(e)
	}
	kernel.SubScalar(dst, a, m)
	kernel.SubScalar(dst, dst, float32(math.Log(sum)))
}

// columns computes width neighbouring columns whose n elements lie stride apart. buf is scratch for three rows.
func (s Softmax) columns(dst, a []float32, n, stride, width int, buf []float32) {
	m, sum, e := buf[:width], buf[width:2*width], buf[2*width:3*width]
	copy(m, a)
	for k := 1; k < n; k++ {
		kernel.Max(m, m, a[k*stride:])
	}
	clear(sum)
	for k := range n {
		d := dst[k*stride:][:width]
		kernel.Sub(d, a[k*stride:], m)
		if !s.Log {
			e = d
		}
		kernel.Exp(e, d)
		kernel.Add(sum, sum, e)
	}
	if s.Log {
		for i, v := range sum {
			sum[i] = float32(math.Log(float64(v)))
		}
	} else {
		kernel.ScalarDiv(sum, 1, sum)
	}
	for k := range n {
		d := dst[k*stride:][:width]
		if s.Log {
			kernel.Sub(d, d, sum)
		} else {
			kernel.Mul(d, d, sum)
		}
	}
}

// plain computes one column of n elements that lie stride apart.
func (s Softmax) plain(dst, a []float64, n, stride int) {
	m, sum := math.Inf(-1), 0.0
	for k := range n {
		m = max(m, a[k*stride])
	}
	for k := range n {
		sum += math.Exp(a[k*stride] - m)
	}
	for k := range n {
		if v := a[k*stride] - m; s.Log {
			dst[k*stride] = v - math.Log(sum)
		} else {
			dst[k*stride] = math.Exp(v) / sum
		}
	}
}

func (Softmax) inPlace() []int { return []int{0} }

func (s Softmax) gradient(d *derivation) []*Value {
	g, y := d.grad(0), d.outs[0]
	if s.Log {
		return []*Value{d.sub(g, d.mul(d.apply(Exp{}, y), d.sum(g, s.Axis)))}
	}
	return []*Value{d.mul(y, d.sub(g, d.sum(d.mul(g, y), s.Axis)))}
}
