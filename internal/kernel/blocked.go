package kernel

// Layout says which images of a convolution are blocked, all residuals as the destination is.
//
// A blocked image is [N][C/L][H][W][L], L being Lanes, with channels that fill the last block: they may hold any finite
// values, and convolutions write zeros there.
type Layout struct{ Src, Dst bool }

// Blocking says which layouts a convolution can work with.
type Blocking int

// The kinds of Blocking.
const (
	NotBlocked    Blocking = iota // plain images only
	SourceBlocked                 // the source may be blocked
	EitherBlocked                 // the source, the destination, or both
	BothBlocked                   // both or none
)

// Lanes is how many channels a block has.
func Lanes() int { return cpu.lanes }

// Block sets dst to the blocked form of src [n, c, area].
func Block(p *Pool, dst, src []float32, n, c, area int) {
	blocks(p, dst, src, n, c, area, func(dst, src []float32, channels, from, to int) {
		if channels == cpu.lanes && to-from >= cpu.lanes {
			cpu.gather(dst[from*cpu.lanes:], src[from:], area, to-from)
			return
		}
		clear(dst[from*cpu.lanes : to*cpu.lanes])
		for c := range channels {
			for i, v := range src[c*area+from : c*area+to] {
				dst[(from+i)*cpu.lanes+c] = v
			}
		}
	})
}

// Unblock is the way back.
func Unblock(p *Pool, dst, src []float32, n, c, area int) {
	params := cpu.copying()
	blocks(p, src, dst, n, c, area, func(src, dst []float32, channels, from, to int) {
		if channels == cpu.lanes && to-from >= cpu.lanes {
			cpu.scatter[addNever](dst[from:], src[from*cpu.lanes:], nil, area, to-from, params)
			return
		}
		for c := range channels {
			row := dst[c*area+from : c*area+to]
			for i := range row {
				row[i] = src[(from+i)*cpu.lanes+c]
			}
		}
	})
}

// blocks calls f for parts of each block, the pixels from from to to, with the block, its channels, and how many these are.
func blocks(p *Pool, blocked, plain []float32, n, c, area int, f func(block, channels []float32, n, from, to int)) {
	const pixels = 1024 // together
	perImage, parts := ceilDiv(c, cpu.lanes), ceilDiv(area, pixels)
	p.Run(n*perImage*parts, func(_, i int) {
		block, part := i/parts, i%parts
		first := block % perImage * cpu.lanes
		f(blocked[block*area*cpu.lanes:], plain[(block/perImage*c+first)*area:], min(cpu.lanes, c-first), part*area/parts, (part+1)*area/parts)
	})
}

// ScaleShiftBlock sets dst = a*scale + shift for pixels of a block of channels, with one of each for each channel of it. Dst may be a.
func ScaleShiftBlock(dst, a, scale, shift []float32) {
	params := cpu.copying()
	copy(params[2*cpu.lanes:], scale)
	copy(params[3*cpu.lanes:], shift)
	if len(dst) > 0 {
		cpu.store[addNever](dst, a[:len(dst)], nil, params)
	}
}
