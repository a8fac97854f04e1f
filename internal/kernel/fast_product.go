package kernel

// groups are count times n tiles that are multiplied by a panel at once, those whose elements begin at at.
type groups struct{ at, n, count, prefetch int }

// group divides tiles for products with panels of width blocks.
func (f *functions) group(tiles, width int) []groups {
	count := ceilDiv(tiles, len(f.products[width-1]))
	n, more := tiles/count, tiles%count // groups of n tiles, and of one more
	g := []groups{{0, n + 1, more, width * f.lanes / count}, {more * (n + 1) * f.lanes, n, count - more, width * f.lanes / count}}
	if more == 0 {
		return g[1:]
	}
	return g
}

// product multiplies tiles by a panel; see genericProduct. The groups share the prefetching of the panel that lies after this
// one.
func (f *functions) product(gs []groups, width int, x, panel, y []float32, xStride, yStride, chain int) {
	ahead := len(panel)
	for _, g := range gs {
		f.products[width-1][g.n-1](x[g.at:], panel, y[g.at:], xStride, yStride, chain, ahead, g.prefetch, g.count)
		ahead += g.count * g.prefetch * len(panel) / (width * f.lanes)
	}
}
