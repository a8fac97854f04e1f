package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// matrixShapes lists odd shapes: a few that are large in one way or another, and any that have output pixels.
func matrixShapes(r *rand.Rand) []ConvShape {
	list := []ConvShape{
		{2, 17, 16, 16, 1, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 1},
		{1, 20, 50, 60, 1, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1},       // several bands
		{1, 3, 31, 45, 1, 5, 3, 3, 2, 4, 2, 3, 0, 1, 7, 1},        // and dilations
		{1, 9, 50, 40, 1, 40, 30, 7, 9, 1, 1, 5, 3, 0, 2, 1},      // kernels in parts
		{1, 2, 3, 1300, 1, 3, 3, 2, 3, 1, 1, 1, 1, 1, 1, 1},       // rows that are more than a band
		{2, 33, 3, 3, 1, 3, 3, 1, 1, 1, 1, 9, 9, 9, 9, 1},         // pixels that see nothing
		{1, 16, 1, 1, 1, 9, 9, 3, 3, 1, 1, 5, 6, 7, 8, 1},         // one pixel of a source
		{3, 40, 1, 7, 1, 1, 1, 1, 2, 1, 1, 0, 0, 0, 0, 1},         // one tap
		{2, 5, 0, 3, 1, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 1},          // a source without pixels
		{1, 5, 7, 6, 1, 2, 2, 1000, 1000, 1, 1, 2000, 0, 0, 0, 1}, // far apart
	}
	for len(list) < 150 {
		n := func(least, most int) int { return least + r.IntN(most-least+1) }
		s := ConvShape{n(1, 3), n(1, 40), n(1, 20), n(1, 20), 1, n(1, 9), n(1, 9), n(1, 3), n(1, 3), n(1, 3), n(1, 3), n(0, 4), n(0, 4), n(0, 4), n(0, 4), 1}
		if s.Validate() == nil {
			list = append(list, s)
		}
	}
	return list
}

// eachTap calls f for each output pixel of all images, and each tap of each channel in it: what the tap meets is an element of the source, or -1 if it lies
// on pads.
func (m *matrix) eachTap(f func(pixel, k, element int)) {
	s := &m.s
	for pixel := range m.pixels {
		n, i, j := pixel/(m.outH*m.outW), pixel/m.outW%m.outH, pixel%m.outW
		for k := range m.row {
			c, y, x := k/(s.KH*s.KW), i*s.StrideH-s.PadTop+k/s.KW%s.KH*s.DilationH, j*s.StrideW-s.PadLeft+k%s.KW*s.DilationW
			element := -1
			if y >= 0 && y < s.H && x >= 0 && x < s.W {
				element = ((n*s.C+c)*s.H+y)*s.W + x
			}
			f(pixel, k, element)
		}
	}
}

// eachMatrix calls f for each path, shape, and pool, with a source that zeros of both signs and NaN are among.
func eachMatrix(t *testing.T, f func(t *testing.T, r *rand.Rand, m *matrix, p *Pool)) {
	pool := NewPool(3)
	defer pool.Close()
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(81, 82))
		for i, s := range matrixShapes(r) {
			m, _ := newMatrix(s, s.OutH(), s.OutW())
			t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) { f(t, r, &m, []*Pool{nil, pool}[i%2]) })
		}
	})
}

// special is random numbers with zeros of both signs and NaN among them.
func special(r *rand.Rand, n int) []float32 {
	a := random(r, n)
	for i := range a {
		switch r.IntN(50) {
		case 0:
			a[i] = float32(math.NaN())
		case 1:
			a[i] = 0
		case 2, 3:
			a[i] = negativeZero
		}
	}
	return a
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, w := range want {
		if g := got[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Fatalf("%s: element %d of %d is %v, want %v", what, i, len(want), g, w)
		}
	}
}

func TestMatrixFill(t *testing.T) {
	eachMatrix(t, func(t *testing.T, r *rand.Rand, m *matrix, p *Pool) {
		src := special(r, m.s.N*m.s.C*m.s.H*m.s.W)
		for _, lanes := range []int{cpu.lanes, m.row} {
			want := make([]float32, m.pixels*roundUp(m.row, lanes))
			m.eachTap(func(pixel, k, element int) {
				if element >= 0 {
					want[(k/lanes*m.pixels+pixel)*lanes+k%lanes] = src[element]
				}
			})
			rows, check := guarded(t, len(want))
			ws, checkScratch := guarded(t, m.blocked())
			m.fill(p, rows, src, lanes, ws)
			check()
			checkScratch()
			sameBits(t, fmt.Sprintf("%d lanes", lanes), rows, want)
		}
	})
}

func TestMatrixAddUp(t *testing.T) {
	eachMatrix(t, func(t *testing.T, r *rand.Rand, m *matrix, p *Pool) {
		size := m.s.H * m.s.W
		rows, bias, want := special(r, m.pixels*m.row+m.beyond()), special(r, m.s.C), make([]float32, m.s.N*m.s.C*size)
		for i := range want {
			want[i] = bias[i/size%m.s.C]
		}
		m.eachTap(func(pixel, k, element int) {
			if element >= 0 {
				want[element] += rows[pixel*m.row+k]
			}
		})
		fillNaN(rows[m.pixels*m.row:])
		dst, check := guarded(t, len(want))
		ws, checkScratch := guarded(t, p.Threads()*m.adding())
		m.addUp(p, dst, rows, bias, nil, nil, ws)
		check()
		checkScratch()
		sameBits(t, "sum", dst, want)

		scale := random(r, m.s.C)
		copy(dst, special(r, len(dst)))
		for i, residual := range dst {
			x := want[i : i+1]
			ScaleShift(x, x, scale[i/size%m.s.C], 1)
			x[0] += residual
		}
		fillNaN(ws)
		m.addUp(p, dst, rows, bias, Epilogue{{Kind: StageAffine, Scale: scale, Shift: []float32{1}}, {Kind: StageAdd}}, [][]float32{dst}, ws)
		check()
		checkScratch()
		sameBits(t, "sum with an epilogue", dst, want)
	})
}
