package kernel

const (
	genericLanes = 8
	genericRows  = 8
)

var genericGemms = makeGenericGemms()

func makeGenericGemms() []func(a, b []float32, off []int32, c []float32, n, ldc int, bias []float32) {
	g := make([]func(a, b []float32, off []int32, c []float32, n, ldc int, bias []float32), genericRows)
	for i := range g {
		g[i] = func(a, b []float32, off []int32, c []float32, n, ldc int, bias []float32) {
			genericGemm(i+1, a, b, off, c, n, ldc, bias)
		}
	}
	return g
}

// genericGemm multiplies a panel of a by n columns, rounded up to a multiple of the path's lanes. The panel has
// rows*len(off) elements, a column of rows after the other; row k of b begins at b[off[k]], row r of the product at
// c[r*ldc]. The product is added, once it is complete, to bias[r], or to what c holds if there is no bias.
func genericGemm(rows int, a, b []float32, off []int32, c []float32, n, ldc int, bias []float32) {
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
			s := [genericLanes]float32{s0, s1, s2, s3, s4, s5, s6, s7}
			for l, v := range s {
				if len(bias) > 0 {
					d[l] = bias[r]
				}
				d[l] += v
			}
		}
	}
}
