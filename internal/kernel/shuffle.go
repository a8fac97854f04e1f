package kernel

import "math"

// shuffleLanes is the unit of elements of the functions that interleave.
const shuffleLanes = 8

// Interleave sets dst[i*len(rows)+r] = rows[r][i] for the elements of rows, which are equally long. dst may not overlap them.
func Interleave(dst []float32, rows ...[]float32) {
	step, n := len(rows), len(rows[0])
	done := 0
	switch step {
	case 1:
		copy(dst, rows[0])
		return
	case 2:
		done = roundDown(n, shuffleLanes)
		cpu.interleave(dst[:2*done], rows[0][:done], rows[1][:done])
	case 4:
		scratch := takeScratch(4 * interleaved) // what a function value gets would be allocated for each call
		defer scratches.Put(scratch)
		even, odd := (*scratch)[:2*interleaved], (*scratch)[2*interleaved:]
		for ; n-done >= shuffleLanes; done += min(interleaved, roundDown(n-done, shuffleLanes)) {
			k := min(interleaved, roundDown(n-done, shuffleLanes))
			cpu.interleave(even[:2*k], rows[0][done:done+k], rows[2][done:done+k])
			cpu.interleave(odd[:2*k], rows[1][done:done+k], rows[3][done:done+k])
			cpu.interleave(dst[4*done:][:4*k], even[:2*k], odd[:2*k])
		}
	}
	for r, row := range rows {
		at := done*step + r
		for _, v := range row[done:n] {
			dst[at] = v
			at += step
		}
	}
}

// interleaved is how many elements of four rows are interleaved at a time: their pairs stay in the first-level cache.
const interleaved = 256

// Deinterleave sets rows[r][i] = src[i*len(rows)+r] for the elements of rows, which are equally long. src may not overlap
// them.
func Deinterleave(src []float32, rows ...[]float32) {
	step, n := len(rows), len(rows[0])
	done := 0
	if step == 2 {
		done = roundDown(n, shuffleLanes)
		cpu.deinterleave(src[:2*done], rows[0][:done], rows[1][:done])
	}
	for r, row := range rows {
		at := done*step + r
		for i := done; i < n; i++ {
			row[i] = src[at]
			at += step
		}
	}
}

// PoolGradient sets the elements of two rows, da and db, to zero, but one of each two by two to the element of g that belongs to them: where the
// first of the largest is in the rows a and b, NaN being the largest. Rows are twice as long as g.
func PoolGradient(da, db, a, b, g []float32) {
	n := roundDown(len(g), shuffleLanes)
	da, db, a, b = da[:2*len(g)], db[:2*len(g)], a[:2*len(g)], b[:2*len(g)]
	for at := 0; at < n; at += longest {
		end := min(n, at+longest)
		cpu.poolGradient(da[2*at:2*end], db[2*at:2*end], a[2*at:2*end], b[2*at:2*end], g[at:end])
	}
	genericPoolGradient(da[2*n:], db[2*n:], a[2*n:], b[2*n:], g[n:])
}

// genericPoolGradient has no branch on where the largest is, which cannot be predicted: floating-point numbers are compared as integers in the
// same order, above the place of each.
func genericPoolGradient(da, db, a, b, g []float32) {
	order := func(v float32) int64 {
		if v != v {
			return math.MaxInt32 << 2
		}
		i := int32(math.Float32bits(v + 0)) // -0 becomes 0
		return int64(i^int32(uint32(i>>31)>>1)) << 2
	}
	clear(da)
	clear(db)
	rows := [2][]float32{da, db}
	for i, v := range g {
		most := max(order(a[2*i])|3, order(a[2*i+1])|2, order(b[2*i])|1, order(b[2*i+1]))
		at := int(^most & 3)
		rows[at>>1][2*i+at&1] = v
	}
}

func genericInterleave(dst, a, b []float32) {
	for i, v := range a {
		dst[2*i], dst[2*i+1] = v, b[i]
	}
}

func genericDeinterleave(src, a, b []float32) {
	for i := range a {
		a[i], b[i] = src[2*i], src[2*i+1]
	}
}
