package graph

import (
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// pass resizes one axis or two neighbouring ones of planes x height x width elements.
type pass struct {
	planes, height, width int       // of the operand
	rows, columns         *sampling // nil if the axis stays as it is
}

func (p pass) outHeight() int {
	if p.rows != nil {
		return p.rows.out
	}
	return p.height
}

func (p pass) outWidth() int {
	if p.columns != nil {
		return p.columns.out
	}
	return p.width
}

// passes splits the work: from the last axis to the first, the last two together.
func (r Resize) passes(x *Exec, shape []int) []pass {
	axes := make([]*sampling, len(shape))
	for k, n := range shape {
		axes[k] = r.axis(x, len(shape), k, n)
	}
	return planPasses(axes, shape)
}

func planPasses(axes []*sampling, shape []int) []pass {
	rank := len(shape)
	cur := slices.Clone(shape)
	var ps []pass
	add := func(k int, rows, columns *sampling) {
		p := pass{width: 1, rows: rows, columns: columns}
		p.planes, _ = Numel(cur[:k])
		p.height = cur[k]
		p.width, _ = Numel(cur[k+1:])
		ps = append(ps, p)
	}
	for k := rank - 1; k >= 0; k-- {
		switch a := axes[k]; {
		case a == nil:
			continue
		case k == rank-1 && k > 0:
			add(k-1, axes[k-1], a)
			cur[k] = a.out
			if k--; axes[k] != nil {
				cur[k] = axes[k].out
			}
		case k == rank-1:
			ps = append(ps, pass{planes: 1, height: 1, width: cur[k], columns: a})
		default:
			add(k, a, nil)
			cur[k] = a.out
		}
	}
	return ps
}

// runPasses calls f for each pass, with memory between them.
func runPasses[T any](passes []pass, dst, src []T, f func(p pass, dst, src []T)) {
	for i, p := range passes {
		to := dst
		if i < len(passes)-1 {
			to = make([]T, p.planes*p.outHeight()*p.outWidth())
		}
		f(p, to, src)
		src = to
	}
}

// parallel calls f with ranges of the result's rows, counted over all planes. They are long, because neighbouring
// rows share work.
func (p pass) parallel(x *Exec, f func(lo, hi int)) {
	x.parallel(p.planes*p.outHeight(), max(16, 2*grain/max(p.outWidth(), 1)), f)
}

// pickAll returns a function that runs passes that take one element for each.
func pickAll[T any](x *Exec, passes []pass) func(dst, src []T) {
	return func(dst, src []T) {
		runPasses(passes, dst, src, func(p pass, dst, src []T) { pick(x, p, dst, src) })
	}
}

func pick[T any](x *Exec, p pass, dst, src []T) {
	h, w := p.outHeight(), p.outWidth()
	var columns []int
	repeat := 0
	if p.columns != nil {
		columns = p.columns.first
		repeat = repeats(columns, p.width)
	}
	p.parallel(x, func(lo, hi int) {
		last := -1 // the source row of the row before
		for i := lo; i < hi; i++ {
			row := i % h
			if p.rows != nil {
				row = p.rows.first[row]
			}
			row += i / h * p.height
			d, s := dst[i*w:(i+1)*w], src[row*p.width:(row+1)*p.width]
			switch {
			case row == last:
				copy(d, dst[(i-1)*w:i*w])
			case columns == nil:
				copy(d, s)
			case repeat == 2:
				for _, v := range s {
					d[0], d[1] = v, v
					d = d[2:]
				}
			case repeat > 2:
				for j, v := range s {
					e := d[j*repeat : (j+1)*repeat]
					for k := range e {
						e[k] = v
					}
				}
			default:
				for j, c := range columns {
					d[j] = s[c]
				}
			}
			last = row
		}
	})
}

// repeats returns how often each of n elements is taken in a row, 0 if that differs.
func repeats(first []int, n int) int {
	if n == 0 || len(first)%n != 0 {
		return 0
	}
	f := len(first) / n
	for j, c := range first {
		if c != j/f {
			return 0
		}
	}
	return f
}

// mixAll32 and mixAll64 run passes that make weighted means.
func mixAll32(x *Exec, passes []pass, dst, src []float32) {
	runPasses(passes, dst, src, func(p pass, dst, src []float32) { mix(x, p, dst, src, kernel.MulScalar, kernel.Add) })
}

func mixAll64(x *Exec, passes []pass, dst, src []float64) {
	scale := func(dst, a []float64, s float64) {
		for i, v := range a {
			dst[i] = v * s
		}
	}
	runPasses(passes, dst, src, func(p pass, dst, src []float64) { mix(x, p, dst, src, scale, add[float64]) })
}

func mix[T float](x *Exec, p pass, dst, src []T, scale func(dst, a []T, s T), add func(dst, a, b []T)) {
	h, w := p.outHeight(), p.outWidth()
	rows, columns := cast[T](p.rows), cast[T](p.columns)
	p.parallel(x, func(lo, hi int) {
		product := make([]T, min(chunk, max(w, p.width)))
		// mixRows sets dst to row o of the result.
		mixRows := func(dst []T, from [][]T, o int) {
			for at := 0; at < len(dst); at += chunk {
				d := dst[at:min(at+chunk, len(dst))]
				scale(d, from[0][at:][:len(d)], rows.weights[0][o])
				for k := 1; k < len(from); k++ {
					if u := rows.weights[k][o]; u != 0 {
						scale(product[:len(d)], from[k][at:][:len(d)], u)
						add(d, d, product[:len(d)])
					}
				}
			}
		}
		switch {
		case rows == nil:
			for i := lo; i < hi; i++ {
				columns.mixElements(dst[i*w:(i+1)*w], src[i*p.width:])
			}
		case columns == nil || rows.out < rows.in: // first make the rows fewer
			var row []T
			if columns != nil {
				row = make([]T, p.width)
			}
			from := make([][]T, rows.taps)
			for i := lo; i < hi; i++ {
				first := i/h*p.height + rows.first[i%h]
				for k := range from {
					from[k] = src[(first+k)*p.width:][:p.width]
				}
				if columns == nil {
					mixRows(dst[i*w:(i+1)*w], from, i%h)
					continue
				}
				mixRows(row, from, i%h)
				columns.mixElements(dst[i*w:(i+1)*w], row)
			}
		default:
			// The rows that have been widened, by their number modulo the most that one row of the result takes.
			ring, have, from := make([][]T, rows.taps), make([]int, rows.taps), make([][]T, rows.taps)
			for k := range ring {
				ring[k], have[k] = make([]T, w), -1
			}
			for i := lo; i < hi; i++ {
				first := i/h*p.height + rows.first[i%h]
				for k := range from {
					r := first + k
					slot := r % len(ring)
					if have[slot] != r {
						columns.mixElements(ring[slot], src[r*p.width:])
						have[slot] = r
					}
					from[k] = ring[slot]
				}
				mixRows(dst[i*w:(i+1)*w], from, i%h)
			}
		}
	})
}

// mixer is a sampling with weights of the type that is computed in: weights[k][o] is that of the element k behind the
// first one for position o.
type mixer[T float] struct {
	*sampling
	weights [][]T
}

func cast[T float](a *sampling) *mixer[T] {
	if a == nil {
		return nil
	}
	m := mixer[T]{sampling: a, weights: make([][]T, a.taps)}
	for k := range m.weights {
		m.weights[k] = make([]T, a.out)
		for o := range m.weights[k] {
			m.weights[k][o] = T(a.weights[o*a.taps+k])
		}
	}
	return &m
}

// mixElements makes one row of the result from one row.
func (m *mixer[T]) mixElements(dst, src []T) {
	first := m.first[:len(dst)]
	switch w := m.weights; m.taps {
	case 2:
		u, v := w[0][:len(dst)], w[1][:len(dst)]
		for o, f := range first {
			dst[o] = src[f]*u[o] + src[f+1]*v[o]
		}
	case 4:
		t, u, v, w := w[0][:len(dst)], w[1][:len(dst)], w[2][:len(dst)], w[3][:len(dst)]
		for o, f := range first {
			s := src[f : f+4 : f+4]
			dst[o] = s[0]*t[o] + s[1]*u[o] + s[2]*v[o] + s[3]*w[o]
		}
	default:
		for o, f := range first {
			var sum T
			for k, v := range src[f : f+m.taps] {
				sum += w[k][o] * v
			}
			dst[o] = sum
		}
	}
}
