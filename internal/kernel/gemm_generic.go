package kernel

const (
	genericLanes = 8
	genericRows  = 8
)

// gemmFunc is genericGemm for a number of rows.
type gemmFunc = func(a, b []float32, off []int32, c []float32, n, ldc int, bias, res, slope []float32)

var genericGemms = makeGenericGemms()

func makeGenericGemms() []gemmFunc {
	g := make([]gemmFunc, genericRows)
	for i := range g {
		g[i] = func(a, b []float32, off []int32, c []float32, n, ldc int, bias, res, slope []float32) {
			genericGemm(i+1, a, b, off, c, n, ldc, bias, res, slope)
		}
	}
	return g
}

// genericGemm multiplies a panel of a by n columns, rounded up to a multiple of the path's lanes. The panel has
// rows*len(off) elements, a column of rows after the other; row k of b begins at b[off[k]], row r of the product at
// c[r*ldc]. The product is added, once it is complete, to bias[r], or to what c holds if there is no bias. If there is res,
// which is laid out as c is and may be c, it is added too. If there is slope, what is negative then is multiplied by slope[r]; a
// slope of 0 makes 0 of it.
func genericGemm(rows int, a, b []float32, off []int32, c []float32, n, ldc int, bias, res, slope []float32) {
	for j := 0; j < n; j += genericLanes {
		for r := range rows {
			var s0, s1, s2, s3, s4, s5, s6, s7 float32
			for k, o := range off {
				x, y := a[k*rows+r], (*[genericLanes]float32)(b[int(o)+j:])
				s0 += x * y[0]
				s1 += x * y[1]
				s2 += x * y[2]
				s3 += x * y[3]
				s4 += x * y[4]
				s5 += x * y[5]
				s6 += x * y[6]
				s7 += x * y[7]
			}
			d := (*[genericLanes]float32)(c[r*ldc+j:])
			var added [genericLanes]float32 // read before d is written: it may be the same
			if len(res) > 0 {
				copy(added[:], res[r*ldc+j:])
			}
			s := [genericLanes]float32{s0, s1, s2, s3, s4, s5, s6, s7}
			for l, v := range s {
				if len(bias) > 0 {
					d[l] = bias[r]
				}
				d[l] += v
				d[l] += added[l]
				if len(slope) > 0 && d[l] < 0 {
					if d[l] *= slope[r]; slope[r] == 0 { // not NaN, which infinity times 0 is
						d[l] = 0
					}
				}
			}
		}
	}
}

// stridedGemmFunc is a product for a number of rows, of operands whose rows or columns are at equal distances; see genericGemmColumns.
type stridedGemmFunc = func(a, b []float32, lda, ldb, depth int, c []float32, n, ldc int, bias, res, slope []float32)

var genericGemmsColumns = makeGenericGemmsColumns()

func makeGenericGemmsColumns() []stridedGemmFunc {
	g := make([]stridedGemmFunc, genericRows)
	for i := range g {
		g[i] = func(a, b []float32, lda, ldb, depth int, c []float32, n, ldc int, bias, res, slope []float32) {
			genericGemmColumns(i+1, a, b, lda, ldb, depth, c, n, ldc, bias, res, slope)
		}
	}
	return g
}

// genericGemmColumns is genericGemm for columns of a that begin lda elements apart, and rows of b that begin ldb elements apart, depth of each.
func genericGemmColumns(rows int, a, b []float32, lda, ldb, depth int, c []float32, n, ldc int, bias, res, slope []float32) {
	panel, off := make([]float32, rows*depth), make([]int32, depth)
	for k := range depth {
		copy(panel[k*rows:][:rows], a[k*lda:])
		off[k] = int32(k * ldb)
	}
	genericGemm(rows, panel, b, off, c, n, ldc, bias, res, slope)
}

const depthwiseRows = 3

// genericDepthwise convolves rows of b, which begin pitch elements apart, with the kernel w, whose rows have kw elements;
// there must be depthwiseRows or more of them. It computes n columns, rounded up to a multiple of the path's lanes, of
// depthwiseRows rows, ldc elements apart in c: sums in the order of genericGemm's, with the same end.
func genericDepthwise(w, b []float32, kw, pitch int, c []float32, n, ldc int, bias, res, slope []float32) {
	off := make([]int32, len(w))
	for i := range off {
		off[i] = int32(i/kw*pitch + i%kw)
	}
	for r := range depthwiseRows {
		genericGemm(1, w, b[r*pitch:], off, c[r*ldc:], n, ldc, bias, res[min(r*ldc, len(res)):], slope)
	}
}
