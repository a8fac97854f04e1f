package kernel

// PoolBlocks sets each pixel of dst, which is a block of Lanes channels, to the largest of four by channel, NaN being the largest: two side by side
// in each of the rows a and b, which are twice as long.
func PoolBlocks(dst, a, b []float32) {
	a, b = a[:2*len(dst)], b[:2*len(dst)]
	for at := 0; at < len(dst); at += longest {
		end := min(len(dst), at+longest)
		cpu.poolBlocks(dst[at:end], a[2*at:2*end], b[2*at:2*end])
	}
}

// PoolBlocksGradient is PoolGradient for rows of pixels that are blocks of Lanes channels.
func PoolBlocksGradient(da, db, a, b, g []float32) {
	da, db, a, b = da[:2*len(g)], db[:2*len(g)], a[:2*len(g)], b[:2*len(g)]
	for at := 0; at < len(g); at += longest {
		end := min(len(g), at+longest)
		cpu.poolBlocksGradient(da[2*at:2*end], db[2*at:2*end], a[2*at:2*end], b[2*at:2*end], g[at:end])
	}
}

// genericPoolBlocks takes the larger of the two rows first.
func genericPoolBlocks(dst, a, b []float32) {
	for at := 0; at < len(dst); at += genericLanes {
		for i := range genericLanes {
			l, r := 2*at+i, 2*at+genericLanes+i
			dst[at+i] = max(max(a[l], b[l]), max(a[r], b[r]))
		}
	}
}

// genericPoolBlocksGradient gives each element of g to the first of the largest.
func genericPoolBlocksGradient(da, db, a, b, g []float32) {
	clear(da)
	clear(db)
	for at := 0; at < len(g); at += genericLanes {
		for i, v := range g[at:][:genericLanes] {
			l, r := 2*at+i, 2*at+genericLanes+i
			switch most := max(a[l], a[r], b[l], b[r]); {
			case a[l] == most || a[l] != a[l]:
				da[l] = v
			case a[r] == most || a[r] != a[r]:
				da[r] = v
			case b[l] == most || b[l] != b[l]:
				db[l] = v
			default:
				db[r] = v
			}
		}
	}
}
