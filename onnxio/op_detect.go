package onnxio

import (
	"cmp"
	"slices"

	"github.com/gansr/gansr/graph"
)

// opRoiAlign: opset 10; 16 added half pixels, as the default.
func opRoiAlign(c *call) []*graph.Value {
	def := "half_pixel"
	if c.Version < 16 {
		def = "output_half_pixel"
	}
	r := graph.RoiAlign{Height: c.int("output_height", 1), Width: c.int("output_width", 1), Samples: c.int("sampling_ratio", 0),
		Scale: float64(c.float("spatial_scale", 1)), Max: c.str("mode", "avg") == "max", HalfPixel: c.str("coordinate_transformation_mode", def) == "half_pixel"}
	return one(c.apply(r, c.value(0), c.value(1), c.value(2)))
}

// opNonMaxSuppression: opset 10. What is chosen decides the result's shape, so it is computed during translation.
func opNonMaxSuppression(c *call) []*graph.Value {
	option := func(i int, def float64) float64 {
		if !c.has(i) {
			return def
		}
		return c.constFloat(i)
	}
	most, overlap := option(2, 0), option(3, 0)
	least := option(4, 0)
	boxes, scores := c.constFloats(0), c.constFloats(1)
	b, s := c.shape(0), c.shape(1)
	if len(b) != 3 || b[2] != 4 || len(s) != 3 || s[0] != b[0] || s[2] != b[1] {
		c.failf("boxes %v and scores %v should be N x boxes x 4 and N x classes x boxes", c.value(0).Type(), c.value(1).Type())
	}
	type box struct{ y0, x0, y1, x1 float64 }
	read := func(v []float64) box {
		if c.bool("center_point_box", 0) {
			return box{v[1] - v[3]/2, v[0] - v[2]/2, v[1] + v[3]/2, v[0] + v[2]/2}
		}
		return box{min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])}
	}
	area := func(b box) float64 { return (b.y1 - b.y0) * (b.x1 - b.x0) }
	overlaps := func(a, b box) bool {
		h, w := min(a.y1, b.y1)-max(a.y0, b.y0), min(a.x1, b.x1)-max(a.x0, b.x0)
		if h <= 0 || w <= 0 {
			return false
		}
		return float32(h*w/(area(a)+area(b)-h*w)) > float32(overlap)
	}
	var chosen []int64
	for n := range b[0] {
		for class := range s[1] {
			score := scores[(n*s[1]+class)*s[2]:][:s[2]]
			var order []int
			for i, v := range score {
				if !c.has(4) || v > least {
					order = append(order, i)
				}
			}
			slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(score[j], score[i]) })
			var kept []box
			for _, i := range order {
				if float64(len(kept)) >= most {
					break
				}
				own := read(boxes[(n*b[1]+i)*4:])
				if !slices.ContainsFunc(kept, func(k box) bool { return overlaps(own, k) }) {
					kept = append(kept, own)
					chosen = append(chosen, int64(n), int64(class), int64(i))
				}
			}
		}
	}
	return one(c.constant(must(graph.FromSlice(chosen, len(chosen)/3, 3))))
}

// opUnique: opset 11. How many parts differ decides the results' shapes, so the parts are compared during translation.
func opUnique(c *call) []*graph.Value {
	x := c.value(0)
	axis := 0
	if c.Has("axis") {
		axis = c.axis(c.int("axis", 0), c.rank(0))
	} else {
		x = c.reshape(x, x.Type().Len())
	}
	shape := x.Type().Shape
	n := shape[axis]
	perm := append([]int{axis}, slices.DeleteFunc(allAxes(len(shape)), func(k int) bool { return k == axis })...)
	values := must(graph.Floats(must(c.t.pin(c.cast(c.transpose(x, perm...), graph.Float64)))))
	size := len(values) / max(1, n)
	part := func(i int) []float64 { return values[i*size:][:size] }
	order := allAxes(n)
	slices.SortStableFunc(order, func(i, j int) int { return slices.Compare(part(i), part(j)) })
	type group struct{ first, count int }
	var groups []group
	inverse := make([]int64, n)
	for at, i := range order {
		if at == 0 || slices.Compare(part(i), part(order[at-1])) != 0 {
			groups = append(groups, group{first: i})
		}
		g := len(groups) - 1
		groups[g].count++
		inverse[i] = int64(g)
	}
	if !c.bool("sorted", 1) {
		rank := allAxes(len(groups))
		slices.SortFunc(rank, func(i, j int) int { return cmp.Compare(groups[i].first, groups[j].first) })
		to, old := make([]int64, len(groups)), groups
		groups = nil
		for at, g := range rank {
			to[g] = int64(at)
			groups = append(groups, old[g])
		}
		for i, g := range inverse {
			inverse[i] = to[g]
		}
	}
	first, counts := make([]int64, len(groups)), make([]int64, len(groups))
	for i, g := range groups {
		first[i], counts[i] = int64(g.first), int64(g.count)
	}
	vector := func(v []int64) *graph.Value { return c.constant(must(graph.FromSlice(v, len(v)))) }
	return []*graph.Value{c.apply(graph.Gather{Axis: axis}, x, vector(first)), vector(first), vector(inverse), vector(counts)}
}
