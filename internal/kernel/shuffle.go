package kernel

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
		scratch := scratches.Get().(*[]float32) // what a function value gets would be allocated for each call
		defer scratches.Put(scratch)
		if len(*scratch) < 4*interleaved {
			*scratch = make([]float32, 4*interleaved)
		}
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
