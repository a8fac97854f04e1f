package data

import "image"

// detailed returns the square of side LR pixels, or what there is of it, in which a picture has most detail: the largest sum of squared differences of neighbours' luminance.
// Squares lie on a grid of half their side, and one at each far edge; of equal ones the first counts. So a place depends on the picture alone.
func (p *picture) detailed(side, scale int) image.Rectangle {
	size := image.Pt(p.w/scale, p.h/scale)
	w, h := min(side, size.X), min(side, size.Y)
	best, at := int64(-1), image.Point{}
	sums := p.energies()
	for _, y := range places(size.Y, h, max(1, side/2)) {
		for _, x := range places(size.X, w, max(1, side/2)) {
			if e := sums.within(x*scale, y*scale, (x+w)*scale, (y+h)*scale); e > best {
				best, at = e, image.Pt(x, y)
			}
		}
	}
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))}
}

// places returns where a part of an axis may begin: every step, and as late as it can.
func places(size, part, step int) (list []int) {
	for at := 0; at < size-part; at += step {
		list = append(list, at)
	}
	return append(list, size-part)
}

// energies holds, for each row, the sums of the squared differences of its pixels and those above and to the left, up to each column.
type energies struct {
	w    int
	sums []int64
}

func (p *picture) energies() energies {
	e := energies{p.w + 1, make([]int64, p.h*(p.w+1))}
	luma := func(x, y int) int64 { // 0 to 65280
		px := p.pix[3*(y*p.w+x):]
		return 77*int64(px[0]) + 150*int64(px[1]) + 29*int64(px[2])
	}
	for y := range p.h {
		row := e.sums[y*e.w:][:e.w]
		for x := range p.w {
			v, d := luma(x, y), int64(0)
			if x > 0 {
				l := v - luma(x-1, y)
				d += l * l >> 8
			}
			if y > 0 {
				u := v - luma(x, y-1)
				d += u * u >> 8
			}
			row[x+1] = row[x] + d
		}
	}
	return e
}

// within is the sum over a rectangle.
func (e energies) within(x0, y0, x1, y1 int) (sum int64) {
	for y := y0; y < y1; y++ {
		sum += e.sums[y*e.w+x1] - e.sums[y*e.w+x0]
	}
	return sum
}
