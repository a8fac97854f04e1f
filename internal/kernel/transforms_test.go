package kernel

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"
)

func eachTransform(t *testing.T, f func(t *testing.T, tr transform, r *rand.Rand)) {
	eachPath(t, func(t *testing.T) {
		for _, tr := range cpu.transforms {
			t.Run(tr.name, func(t *testing.T) { f(t, tr, rand.New(rand.NewPCG(1, uint64(tr.t)))) })
		}
	})
}

// rms is the relative error of got, and fails the test at NaN.
func rms(t *testing.T, got []float32, want []float64) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	var sum, sumErr float64
	for i, w := range want {
		e := float64(got[i]) - w
		if math.IsNaN(e) {
			t.Fatalf("value %d is %v, want %v", i, got[i], w)
		}
		sum, sumErr = sum+w*w, sumErr+e*e
	}
	return math.Sqrt(sumErr / sum)
}

// accuracy is the relative error allowed to a convolution by the transform.
func (tr transform) accuracy() float64 {
	if tr.name == "winograd6" {
		return 3e-6
	}
	return 1e-6
}

// TestTransformConvolution takes a row of overlapping tiles of a channel of each lane forward, multiplies them by kernels of
// a lane each, takes them back and compares with the definition.
func TestTransformConvolution(t *testing.T) {
	eachTransform(t, func(t *testing.T, tr transform, r *rand.Rand) {
		for _, k := range []struct{ h, w int }{{3, 3}, {3, 5}, {5, 5}, {7, 7}, {9, 9}, {11, 4}, {tr.t, tr.t}} {
			if !tr.fits(k.h, k.w) {
				continue
			}
			const tiles, padding = 3, 5
			lanes := cpu.lanes
			height, width := tr.t-k.h+1, tr.t-k.w+1
			columns := tr.t + (tiles-1)*width
			kernels := min(lanes, 7)

			xStride := columns*lanes + padding
			x, weight := random(r, tr.t*xStride), random(r, kernels*k.h*k.w+padding)
			for y := range tr.t {
				for i := range padding {
					x[y*xStride+columns*lanes+i] = float32(math.NaN())
				}
			}
			pStride := tiles*lanes + padding
			size := (tr.planes-1)*pStride + tiles*lanes
			p, checkPlanes := guarded(t, size)
			scratch, checkScratch := guarded(t, tr.scratch)
			tr.forward(x, xStride, width*lanes, p, pStride, tiles, scratch)
			gaps := func() {
				for i, v := range p {
					if gap := i%pStride >= tiles*lanes; gap != math.IsNaN(float64(v)) {
						t.Fatalf("kernel %v: element %d of the planes is %v", k, i, v)
					}
				}
			}
			gaps()

			kStride := lanes + padding
			q, checkKernels := guarded(t, (kernelPlanes(&tr)-1)*kStride+lanes)
			kScratch, checkKernelScratch := guarded(t, tr.kernelScratch(k.h*k.w, lanes))
			clear(kScratch)
			tr.transformKernels(cpu, q, kStride, kernelsOf(weight, k.h, k.w), 0, 0, kernels, k.h, k.w, kScratch)
			multiply(&tr, p, pStride, tiles*lanes, q, kStride)
			gaps()

			rows, right := height, (tiles-1)*width+tr.t-2 // a tile overwrites the meaningless columns of the last
			if !tr.winograd() && height > 2 {
				rows = height - 1
			}
			outStride := right*lanes + padding
			out, checkOut := guarded(t, (rows-1)*outStride+right*lanes)
			tr.inverse(out, outStride, width*lanes, p, pStride, tiles, rows, scratch)
			checkPlanes()
			checkScratch()
			checkKernels()
			checkKernelScratch()
			checkOut()
			for y := range rows - 1 {
				for i := range padding {
					if v := out[y*outStride+right*lanes+i]; !math.IsNaN(float64(v)) {
						t.Errorf("kernel %v: wrote %v behind row %d", k, v, y)
					}
				}
			}

			var got []float32
			var want []float64
			for tile := range tiles {
				for i := range rows * width * lanes {
					y, x0, lane := i/lanes/width, i/lanes%width, i%lanes
					got = append(got, out[y*outStride+(tile*width+x0)*lanes+lane])
					s := 0.0
					for a := 0; a < k.h && lane < kernels; a++ {
						for b := range k.w {
							s += float64(weight[(lane*k.h+a)*k.w+b]) * float64(x[(y+a)*xStride+(tile*width+x0+b)*lanes+lane])
						}
					}
					want = append(want, s)
				}
			}
			if e := rms(t, got, want); e > tr.accuracy() {
				t.Errorf("kernel %v: relative error %.2g", k, e)
			} else {
				t.Logf("kernel %v: relative error %.2g", k, e)
			}
		}
	})
}

// TestTransformPlanes holds the order of planes, and the convention of Gauss's products, against the definition.
func TestTransformPlanes(t *testing.T) {
	eachTransform(t, func(t *testing.T, tr transform, r *rand.Rand) {
		if tr.winograd() {
			t.Skip("has no complex planes")
		}
		n, h, lanes := tr.t, tr.t/2, cpu.lanes
		x := random(r, n*n*lanes)
		p := make([]float32, tr.planes*lanes)
		tr.forward(x, n*lanes, 0, p, lanes, 1, make([]float32, tr.scratch))
		lane := lanes - 1
		rows := make([]complex128, n*(h+1))
		for i := range rows {
			y, kx := i/(h+1), i%(h+1)
			for j := range n {
				rows[i] += complex(float64(x[(y*n+j)*lanes+lane]), 0) * cmplx.Rect(1, -2*math.Pi*float64(kx*j%n)/float64(n))
			}
		}
		at := func(ky, kx int) (v complex128) {
			for i := range n {
				v += rows[i*(h+1)+kx] * cmplx.Rect(1, -2*math.Pi*float64(ky*i%n)/float64(n))
			}
			return v
		}
		var want []float64
		gauss := func(v complex128) { want = append(want, real(v), imag(v), real(v)+imag(v)) }
		for kx := 1; kx < h; kx++ {
			for ky := range n {
				gauss(at(ky, kx))
			}
		}
		for _, kx := range []int{0, h} {
			for ky := 1; ky < h; ky++ {
				gauss(at(ky, kx))
			}
			want = append(want, real(at(0, kx)), real(at(h, kx)))
		}
		got := make([]float32, 0, tr.planes)
		for plane := range tr.planes {
			got = append(got, p[plane*lanes+lane])
		}
		if e := rms(t, got, want); e > 3e-7 {
			t.Errorf("relative error %.2g", e)
		}
	})
}

// TestInverseParts puts the inverse together from its parts.
func TestInverseParts(t *testing.T) {
	eachTransform(t, func(t *testing.T, tr transform, r *rand.Rand) {
		if tr.winograd() {
			t.Skip("has no columns")
		}
		const padding = 5
		lanes, m, h := cpu.lanes, tr.t-2, tr.t/2
		pStride := lanes + padding
		p := random(r, tr.planes*pStride)
		scratch := make([]float32, tr.scratch)
		want, checkWant := guarded(t, m*m*lanes)
		tr.inverse(want, m*lanes, 0, p, pStride, 1, m, scratch)
		checkWant()

		row := 2*lanes + padding
		size := m * row
		var columns []float32
		for kx := range h {
			first, n := tr.column(kx)
			planes, checkPlanes := guarded(t, (n-1)*pStride+lanes)
			copy(planes, p[first*pStride:])
			column, check := guarded(t, size-padding)
			if kx == 0 {
				tr.inverseReals(column, row, 0, planes, pStride, 1, scratch)
				tr.inverseReals(column[lanes:], row, 0, planes[tr.realColumn()*pStride:], pStride, 1, scratch)
			} else {
				tr.inverseColumn(column, row, 0, planes, pStride, 1, scratch)
			}
			checkPlanes()
			check()
			columns = append(append(columns, column...), make([]float32, padding)...)
		}
		got, check := guarded(t, m*m*lanes)
		for y := range m {
			tr.inverseRow(columns[y*row:], size, 0, got[y*m*lanes:], lanes, 1, scratch)
		}
		check()
		if e := rms(t, got, widen(want)); e > 1e-6 {
			t.Errorf("relative difference %.2g", e)
		}
	})
}

// TestKernelParts transforms kernels row by row and column by column.
func TestKernelParts(t *testing.T) {
	eachTransform(t, func(t *testing.T, tr transform, r *rand.Rand) {
		if tr.winograd() {
			t.Skip("has no columns")
		}
		const padding, n = 5, 2 // kernels
		lanes := cpu.lanes
		size, record := partKernelSize*lanes, n*partKernelSize*lanes
		stride, pStride := record+padding, n*lanes+padding
		rows, checkRows := guarded(t, (tr.t-1)*stride+record)
		var want [n][]float32
		for i := range n {
			x := random(r, partKernelSize*size)
			tr.kernelRow(x, 0, size, rows[i*size:], stride, partKernelSize, make([]float32, tr.scratch))
			checkRows()
			whole := make([]float32, smallKernelSize*smallKernelSize*lanes)
			for y := range partKernelSize {
				copy(whole[y*smallKernelSize*lanes:], x[y*size:][:size])
			}
			want[i] = make([]float32, kernelPlanes(&tr)*lanes)
			tr.smallKernel(whole, smallKernelSize*lanes, 0, want[i], lanes, 1, make([]float32, tr.scratch))
		}
		weights := map[int]value{} // by plane of x
		for _, v := range tr.values() {
			weights[v.plane] = v
		}
		for _, part := range tr.columnParts() {
			planes := 0
			for _, v := range part.values {
				planes = v.weights + min(2, v.planes())
			}
			p, check := guarded(t, (planes-1)*pStride+n*lanes)
			part.transform(rows[part.first*stride:], stride, size, p, pStride, n, make([]float32, tr.scratch))
			check()
			var got, same []float32
			for _, v := range part.values {
				at, ok := weights[v.plane]
				if !ok || at.complex != v.complex {
					t.Fatalf("part of %d has %+v, among all values it is %+v", part.first, v, at)
				}
				delete(weights, v.plane)
				for kept := range min(2, v.planes()) {
					got = append(got, p[(v.weights+kept)*pStride:][:n*lanes]...)
					for i := range n {
						same = append(same, want[i][(at.weights+kept)*lanes:][:lanes]...)
					}
				}
			}
			if e := rms(t, got, widen(same)); e > 1e-6 {
				t.Errorf("part of %d: relative difference %.2g", part.first, e)
			}
		}
		if len(weights) > 0 {
			t.Errorf("no part has %v", weights)
		}
	})
}

// TestTransformsAgree compares the paths plane by plane, lane by lane.
func TestTransformsAgree(t *testing.T) {
	generic := paths[slices.IndexFunc(paths, func(f functions) bool { return f.path == "generic" })]
	eachTransform(t, func(t *testing.T, tr transform, r *rand.Rand) {
		i := slices.IndexFunc(generic.transforms, func(o transform) bool { return o.name == tr.name })
		other := generic.transforms[i]
		lanes, m := cpu.lanes, tr.t-2
		x, weight := random(r, tr.t*tr.t*lanes), random(r, lanes*9)
		p, q, y := make([]float32, tr.planes*lanes), make([]float32, kernelPlanes(&tr)*lanes), make([]float32, m*m*lanes)
		scratch := make([]float32, tr.kernelScratch(9, lanes))
		tr.forward(x, tr.t*lanes, 0, p, lanes, 1, scratch)
		clear(scratch)
		tr.transformKernels(cpu, q, lanes, kernelsOf(weight, 3, 3), 0, 0, lanes, 3, 3, scratch)
		tr.inverse(y, m*lanes, 0, p, lanes, 1, m, scratch)
		h := make([]float32, tr.planes*lanes)
		tr.gradient(x, tr.t*lanes, 0, h, lanes, 1, scratch)
		for from := 0; from < lanes; from += genericLanes {
			narrow := func(a []float32) (b []float32) {
				for i := 0; i < len(a); i += lanes {
					b = append(b, a[i+from:][:genericLanes]...)
				}
				return b
			}
			gx, gp, gq, gy, gradient := narrow(x), narrow(p), narrow(q), narrow(y), narrow(h)
			check := func(what string, a []float32, transform func(a []float32)) {
				b := make([]float32, len(a))
				transform(b)
				if e := rms(t, a, widen(b)); e > 1e-6 {
					t.Errorf("%s: relative difference %.2g", what, e)
				}
			}
			scratch := make([]float32, other.kernelScratch(9, genericLanes))
			check("forward", gp, func(b []float32) { other.forward(gx, tr.t*genericLanes, 0, b, genericLanes, 1, scratch) })
			check("kernels", gq, func(b []float32) {
				clear(scratch)
				other.transformKernels(&generic, b, genericLanes, kernelsOf(weight, 3, 3), from, 0, genericLanes, 3, 3, scratch)
			})
			check("gradient", gradient, func(b []float32) { other.gradient(gx, tr.t*genericLanes, 0, b, genericLanes, 1, scratch) })
			check("inverse", gy, func(b []float32) { other.inverse(b, m*genericLanes, 0, gp, genericLanes, 1, m, scratch) })
		}
	})
}

// BenchmarkTransform takes tiles forward and back, and blocks of kernels forward: nanoseconds for a tile of a block of
// channels, or a block of kernels.
func BenchmarkTransform(b *testing.B) {
	const tiles = 8
	old := cpu
	defer func() { cpu = old }()
	for i := range paths {
		cpu = &paths[i]
		lanes := cpu.lanes
		for _, tr := range cpu.transforms {
			k := 3
			if !tr.winograd() {
				k = 7
			}
			m := tr.t - k + 1
			r := rand.New(rand.NewPCG(1, 2))
			xStride, pStride := (tr.t+(tiles-1)*(tr.t-2))*lanes, tiles*lanes+16
			x, p, weight := random(r, tr.t*xStride), random(r, tr.planes*pStride), random(r, lanes*k*k)
			scratch := make([]float32, tr.kernelScratch(k*k, lanes))
			bench := func(what string, n int, f func()) {
				b.Run(fmt.Sprintf("%s/%s/%s", cpu.path, tr.name, what), func(b *testing.B) {
					for b.Loop() {
						f()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/tile")
				})
			}
			bench("forward", tiles, func() { tr.forward(x, xStride, m*lanes, p, pStride, tiles, scratch) })
			bench("inverse", tiles, func() { tr.inverse(x, xStride, (tr.t-2)*lanes, p, pStride, tiles, m, scratch) })
			bench("kernels", 1, func() { tr.transformKernels(cpu, p, pStride, kernelsOf(weight, k, k), 0, 0, lanes, k, k, scratch) })
		}
	}
}

// kernelPlanes is how many planes kernels have.
func kernelPlanes(tr *transform) int {
	vs := tr.values()
	return vs[len(vs)-1].weights + 1
}

// multiply multiplies the planes of n elements of tiles by those of kernels.
func multiply(tr *transform, p []float32, pStride, n int, q []float32, qStride int) {
	for _, v := range tr.values() {
		for i := range n {
			at := func(plane int) float32 { return q[plane*qStride+i%cpu.lanes] }
			p[v.plane*pStride+i] *= at(v.weights)
			if v.complex {
				p[(v.plane+1)*pStride+i] *= at(v.weights) + 2*at(v.weights+1)
				p[(v.plane+2)*pStride+i] *= at(v.weights + 1)
			}
		}
	}
}

// kernelsOf are the kernels of one source channel.
func kernelsOf(weight []float32, kh, kw int) kernels {
	return plainKernels(ConvShape{C: 1, Groups: 1, KH: kh, KW: kw}, weight)
}
