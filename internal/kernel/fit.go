package kernel

import (
	"math"
	"os"
)

// What the packed weights of a network may take without a limit, in bytes: largeWeights, or mostRatio times its weights up to
// manyWeights, or leastRatio times its weights, whichever is the most. Larger transforms than these allow gain little.
const (
	largeWeights = 96 << 20
	manyWeights  = 330 << 20
	mostRatio    = 12.5
	leastRatio   = 4.5
)

// Fit chooses algorithms for convolutions that run one after the other, so that their packed weights and the largest of
// their workspaces together take at most limit bytes; a limit of 0 means none but that on weights above. It returns what
// they take, which is more than the limit only if nothing fits. Each has its fastest algorithm unless that is too much:
// then algorithms with smaller weights replace it, first where they cost the least time for a byte saved, and at last one
// that costs the least time of those that are enough, if it costs little more for a byte. The choice depends on the
// convolutions, in their order, on the number of threads and on the limit alone. It is final: what the algorithms that were
// not chosen would need is released.
func Fit(convs []*Conv, threads int, limit int64) (weights, workspace int64, fits bool) {
	f := fitting{convs: convs, users: map[*packed]int{}, workspaces: make([][]int64, len(convs))}
	plain := 0.0
	for i, c := range convs {
		f.workspaces[i] = []int64{4 * int64(c.Workspace(threads))}
		for _, o := range c.smaller {
			f.workspaces[i] = append(f.workspaces[i], 4*int64(o.Workspace(threads)))
		}
		f.weights += f.added(c.weights)
		f.users[c.weights]++
		least := c.choice // the direct algorithm, which is always there
		if n := len(c.smaller); n > 0 {
			least = c.smaller[n-1]
		}
		plain += 4 * float64(least.weights.size)
	}
	most := int64(max(largeWeights, min(mostRatio*plain, manyWeights), leastRatio*plain))
	if os.Getenv("GANSR_CONV") != "" {
		most = 1 << 62
	}
	f.enough = func(weights, workspace int64) bool {
		return weights <= most && (limit == 0 || weights+workspace <= limit)
	}
	for f.findLargest(); !f.enough(f.weights, f.largest) && f.move(); f.findLargest() {
	}
	for _, c := range convs {
		c.smaller = nil
	}
	return f.weights, f.largest, limit == 0 || f.weights+f.largest <= limit
}

type fitting struct {
	convs      []*Conv
	users      map[*packed]int // convolutions that have chosen these weights
	weights    int64           // bytes
	workspaces [][]int64       // bytes, by convolution, of its algorithm and the smaller ones
	enough     func(weights, workspace int64) bool

	largest, second int64 // workspaces of algorithms
	at              int   // the convolution with the largest
}

// added is how many bytes weights take that one more convolution chooses.
func (f *fitting) added(w *packed) int64 {
	if f.users[w] > 0 {
		return 0
	}
	return 4 * int64(w.size)
}

func (f *fitting) findLargest() {
	f.largest, f.second, f.at = 0, 0, -1
	for i, w := range f.workspaces {
		switch {
		case w[0] > f.largest:
			f.largest, f.second, f.at = w[0], f.largest, i
		case w[0] > f.second:
			f.second = w[0]
		}
	}
}

// move gives one convolution an algorithm with smaller weights, and reports whether there was any.
func (f *fitting) move() bool {
	type candidate struct {
		conv, to   int
		time, rate float64 // what it costs, and for a byte saved
	}
	cheapest, last := candidate{conv: -1, rate: math.Inf(1)}, candidate{time: math.Inf(1)} // last: of those that are enough
	for i, c := range f.convs {
		freed := int64(0)
		if f.users[c.weights] == 1 {
			freed = 4 * int64(c.weights.size)
		}
		others := f.largest
		if i == f.at {
			others = f.second
		}
		for k, o := range c.smaller {
			m := candidate{i, k, max(0, o.time-c.time), 0}
			m.rate = m.time / float64(4*max(1, c.weights.size-o.weights.size))
			if m.rate < cheapest.rate {
				cheapest = m
			}
			if m.time < last.time && f.enough(f.weights-freed+f.added(o.weights), max(others, f.workspaces[i][k+1])) {
				last = m
			}
		}
	}
	if cheapest.conv < 0 {
		return false
	}
	if last.rate < 1.5*cheapest.rate && !math.IsInf(last.time, 1) {
		cheapest = last
	}
	conv, to := cheapest.conv, cheapest.to
	c := f.convs[conv]
	if f.users[c.weights]--; f.users[c.weights] == 0 {
		f.weights -= 4 * int64(c.weights.size)
	}
	c.choice, c.smaller = c.smaller[to], c.smaller[to+1:]
	f.weights += f.added(c.weights)
	f.users[c.weights]++
	f.workspaces[conv] = f.workspaces[conv][to+1:]
	return true
}
