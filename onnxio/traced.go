package onnxio

import (
	"maps"
	"slices"

	"github.com/gansr/gansr/graph"
)

// MaskedSize returns the height and width for which a graph was made that holds masks of attention in shifted windows as constants, zeros if it
// holds none. Whatever size such a model states, at others it computes something else or nothing. It is that of the image as the windows cover it:
// padded, if the graph pads.
func (m *Model) MaskedSize() (height, width int) {
	for _, t := range m.constants(func(shape []int) bool { _, ok := maskAxis(shape); return ok }) {
		if all := masksOf(t); len(all) > 0 {
			return all[0].rows * all[0].h, all[0].cols * all[0].w
		}
	}
	return 0, 0
}

// TracedSizes returns heights and widths for which a graph may have been made, as its constants have it, the likely ones first.
func (m *Model) TracedSizes() [][2]int {
	votes := map[[2]int]int{}
	vote := func(h, w, n int) {
		if h > 3 && w > 3 {
			votes[[2]int{h, w}] += n
		}
	}
	const sure = 1 << 20
	lists := m.constants(func(shape []int) bool { return len(shape) == 1 && shape[0] >= 4 && shape[0] <= 8 })
	h, w := m.MaskedSize()
	vote(h, w, sure)
	for _, n := range m.graph.Nodes {
		operand := map[string]int{"Reshape": 1, "Expand": 1, "Resize": 3, "Pad": 1}[n.Name]
		if operand == 0 || operand >= len(n.Inputs) || n.Domain != "" {
			continue
		}
		t := lists[n.Inputs[operand]]
		if t == nil || t.DType() != graph.Int64 {
			continue
		}
		v := toInts(graph.Data[int64](t))
		switch {
		case n.Name == "Pad" && len(v) == 8 && h > 0:
			vote(h-v[6], w-v[7], sure+1)
		case n.Name == "Pad":
		case len(v) == 4:
			vote(v[1], v[2], 1)
			vote(v[2], v[3], 1)
		case len(v) == 6:
			vote(v[1]*v[2], v[3]*v[4], 2)
			vote(v[1]*v[3], v[2]*v[4], 2)
			vote(v[2]*v[3], v[4]*v[5], 1)
		}
	}
	sizes := slices.SortedFunc(maps.Keys(votes), func(a, b [2]int) int {
		if votes[a] != votes[b] {
			return votes[b] - votes[a]
		}
		return slices.Compare(a[:], b[:])
	})
	const most = 6
	return sizes[:min(len(sizes), most)]
}

// constants returns those of the main graph whose shapes fit, by the names of their values.
func (m *Model) constants(fits func(shape []int) bool) map[string]*graph.Tensor {
	all := map[string]*graph.Tensor{}
	for name, pb := range m.graph.dense {
		if fits(toInts(pb.GetDims())) {
			if t, _, err := m.graph.View(name); err == nil {
				all[name] = t
			}
		}
	}
	for _, n := range m.graph.Nodes {
		if l, _ := attr[*LazyTensor](n, "value", nil, "a tensor"); n.Name == "Constant" && n.Domain == "" && l != nil && fits(toInts(l.dense.GetDims())) {
			if t, err := l.load(true); err == nil {
				all[n.Outputs[0]] = t
			}
		}
	}
	return all
}
