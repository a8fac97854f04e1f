package kernel

import "time"

// PeakFLOPS measures the floating-point operations a second that all workers of p reach in the micro-kernel of matrix
// products, on data that fits their first-level caches. It takes some 50 ms.
func PeakFLOPS(p *Pool) float64 {
	const depth, tries, calls = 128, 20, 100
	rows, n := len(cpu.gemm), 2*cpu.lanes
	type data struct {
		a, b, c []float32
		off     []int32
	}
	workers := make([]data, p.Threads())
	for i := range workers {
		workers[i] = data{make([]float32, rows*depth), make([]float32, depth*n), make([]float32, rows*n), make([]int32, depth)}
		for k := range workers[i].off {
			workers[i].off[k] = int32(k * n)
		}
	}
	best := 0.0
	for range tries { // others may use the CPUs meanwhile
		began := time.Now()
		p.Run(8*len(workers), func(worker, _ int) {
			d := &workers[worker]
			for range calls {
				cpu.gemm[rows-1](d.a, d.b, d.off, d.c, n, n, nil, nil, nil)
			}
		})
		best = max(best, float64(8*len(workers)*calls*2*depth*rows*n)/time.Since(began).Seconds())
	}
	return best
}
