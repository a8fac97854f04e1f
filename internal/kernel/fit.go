package kernel

import (
	"cmp"
	"slices"
)

// Fit chooses algorithms for convolutions that run one after the other, so that their packed weights and the largest of
// their workspaces together take at most limit bytes; a limit of 0 means none. It returns what they take, which is more only if nothing fits. Each has its
// fastest algorithm unless that is too much: then algorithms with smaller weights replace it, first where they cost the
// least time for a byte saved. The choice depends on the convolutions, in their order, on the number of threads and on the
// limit alone. It is final: what the algorithms that were not chosen would need is released.
func Fit(convs []*Conv, threads int, limit int64) (weights, workspace int64, fits bool) {
	type move struct {
		conv int
		to   choice
		rate float64 // time for an element saved
	}
	var moves []move
	users := map[*packed]int{}
	workspaces := make([]int, len(convs))
	use := func(i int) {
		c := convs[i]
		workspaces[i] = c.Workspace(threads)
		if users[c.weights]++; users[c.weights] == 1 {
			weights += 4 * int64(c.weights.size)
		}
	}
	for i, c := range convs {
		use(i)
		at, rest := c.choice, c.smaller
		for len(rest) > 0 {
			rates := make([]float64, len(rest))
			for i, r := range rest {
				rates[i] = max(0, r.time-at.time) / float64(max(1, at.weights.size-r.weights.size))
			}
			k := slices.Index(rates, slices.Min(rates))
			moves = append(moves, move{i, rest[k], rates[k]})
			at, rest = rest[k], rest[k+1:]
		}
		c.smaller = nil
	}
	slices.SortStableFunc(moves, func(a, b move) int { return cmp.Compare(a.rate, b.rate) })
	for {
		workspace = 0
		for _, w := range workspaces {
			workspace = max(workspace, 4*int64(w))
		}
		switch {
		case limit == 0 || weights+workspace <= limit:
			return weights, workspace, true
		case len(moves) == 0:
			return weights, workspace, false
		}
		m := moves[0]
		moves = moves[1:]
		c := convs[m.conv]
		if users[c.weights]--; users[c.weights] == 0 {
			weights -= 4 * int64(c.weights.size)
		}
		c.choice = m.to
		use(m.conv)
	}
}
