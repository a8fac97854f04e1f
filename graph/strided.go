package graph

import (
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// walk reads elements of a tensor in the row-major order of dims: the first is element at, and neighbours along axis k
// are strides[k] elements apart, 0 where an element repeats. Slices, transpositions and broadcasts are walks.
type walk struct {
	dims, strides []int
	at            int
}

// rowMajor returns the distances in elements between neighbours along each axis of a tensor.
func rowMajor(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for k := len(shape) - 1; k >= 0; k-- {
		s[k] = n
		n *= shape[k]
	}
	return s
}

// move writes the elements of src that w walks through to dst.
func (w walk) move(x *Exec, dst, src *Tensor) {
	if dst.Len() == 0 {
		return
	}
	p := w.panels()
	moveData(mover4{movePanels[uint8](x, p), movePanels[uint16](x, p), movePanels[uint32](x, p), movePanels[uint64](x, p)}, dst, src)
}

// joined returns the walk with axes of one position left out and with those joined that are walked through in step.
func (w walk) joined() walk {
	j := walk{at: w.at}
	for k, d := range w.dims {
		last := len(j.dims) - 1
		switch {
		case d == 1:
		case last >= 0 && j.strides[last] == w.strides[k]*d:
			j.dims[last] *= d
			j.strides[last] = w.strides[k]
		default:
			j.dims, j.strides = append(j.dims, d), append(j.strides, w.strides[k])
		}
	}
	return j
}

// panels is a walk as a number of equal matrices.
type panels struct {
	walk             // over the first elements of the matrices
	to         []int // the strides of that walk in the result
	rows, cols int
	toRow      int // distance of rows in the result, whose columns are neighbours
	row, col   int // distances in the source
}

// panels splits a walk that is not empty. The columns are its last axis, the rows the axis whose elements are
// neighbours in the source, so that both reading and writing stay within few cache lines.
func (w walk) panels() panels {
	w = w.joined()
	for len(w.dims) < 2 {
		w.dims, w.strides = slices.Insert(w.dims, 0, 1), slices.Insert(w.strides, 0, 0)
	}
	to := rowMajor(w.dims)
	last := len(w.dims) - 1
	k := last - 1
	if c := w.strides[last]; c != 0 && c != 1 {
		if i := slices.Index(w.strides, 1); i >= 0 {
			k = i
		}
	}
	p := panels{rows: w.dims[k], cols: w.dims[last], toRow: to[k], row: w.strides[k], col: w.strides[last]}
	p.at = w.at
	p.dims, p.strides, p.to = slices.Delete(w.dims[:last], k, k+1), slices.Delete(w.strides[:last], k, k+1), slices.Delete(to[:last], k, k+1)
	return p
}

// movePanels returns a function that copies the elements of p in parts of at most about grain elements.
func movePanels[T any](x *Exec, p panels) func(dst, src []T) {
	cols := min(p.cols, chunk)
	rows := min(p.rows, grain/cols)
	across, down := (p.cols+cols-1)/cols, (p.rows+rows-1)/rows
	count, _ := Numel(p.dims)
	return func(dst, src []T) {
		x.parallel(count*across*down, max(1, grain/(rows*cols)), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				c, r, k := i%across*cols, i/across%down*rows, i/across/down
				from, to := p.at+r*p.row+c*p.col, r*p.toRow+c
				for axis := len(p.dims) - 1; axis >= 0; axis-- {
					j := k % p.dims[axis]
					k /= p.dims[axis]
					from, to = from+j*p.strides[axis], to+j*p.to[axis]
				}
				movePanel(dst[to:], src, from, min(rows, p.rows-r), min(cols, p.cols-c), p)
			}
		})
	}
}

// movePanel copies a matrix whose first element is src[from] to dst, with the distances of p.
func movePanel[T any](dst, src []T, from, rows, cols int, p panels) {
	switch {
	case cols == 1:
		for r := range rows {
			dst[r*p.toRow] = src[from+r*p.row]
		}
	case p.col == 1:
		for r := range rows {
			copy(dst[r*p.toRow:][:cols], src[from+r*p.row:])
		}
	case p.col == 0:
		for r := range rows {
			v := src[from+r*p.row]
			d := dst[r*p.toRow:][:cols]
			for i := range d {
				d[i] = v
			}
		}
	case p.row == 1 && p.toRow == cols && (cols == 2 || cols == 4) && interleave(dst, src[from:], rows, cols, p.col):
	case p.row == 1 && rows >= 4:
		transposePanel(dst, src, from, rows, cols, p)
	default:
		for r := range rows {
			at := from + r*p.row
			d := dst[r*p.toRow:][:cols]
			for i := range d {
				d[i] = src[at]
				at += p.col
			}
		}
	}
}

// interleave is movePanel for few columns that follow each other in the result; it returns false unless elements have four
// bytes.
func interleave[T any](dst, src []T, rows, cols, col int) bool {
	d, ok := any(dst).([]uint32)
	if !ok {
		return false
	}
	from := floatsOf(any(src).([]uint32))
	var parts [4][]float32
	for c := range cols {
		parts[c] = from[c*col:][:rows]
	}
	kernel.Interleave(floatsOf(d[:rows*cols]), parts[:cols]...)
	return true
}

// transposePanel is movePanel for rows that are neighbours in the source: it reads four columns at a time in order.
func transposePanel[T any](dst, src []T, from, rows, cols int, p panels) {
	const tall, wide = 64, 16
	var tile [tall * wide]T
	for top := 0; top < rows; top += tall {
		n := min(tall, rows-top)
		if cols < wide {
			transpose(dst[top*p.toRow:], p.toRow, src[from+top:], p.col, n, cols)
			continue
		}
		// Whole cache lines of the result are written at once, from a tile: a power of two between its rows would
		// make the lines drive each other out of the cache.
		for c := 0; c < cols; c += wide {
			w := min(wide, cols-c)
			transpose(tile[:], wide, src[from+top+c*p.col:], p.col, n, w)
			for i := range n {
				copy(dst[(top+i)*p.toRow+c:][:w], tile[i*wide:])
			}
		}
	}
}

// transpose sets dst[r*toRow+c] = src[r+c*col].
func transpose[T any](dst []T, toRow int, src []T, col, rows, cols int) {
	c := 0
	for ; c+4 <= cols; c += 4 {
		at := c * col
		s0, s1, s2, s3 := src[at:][:rows], src[at+col:][:rows], src[at+2*col:][:rows], src[at+3*col:][:rows]
		to := c
		for i, v := range s0 {
			d := dst[to:][:4:4]
			d[0], d[1], d[2], d[3] = v, s1[i], s2[i], s3[i]
			to += toRow
		}
	}
	for ; c < cols; c++ {
		to := c
		for _, v := range src[c*col:][:rows] {
			dst[to] = v
			to += toRow
		}
	}
}
