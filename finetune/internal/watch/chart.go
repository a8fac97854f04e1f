package watch

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Chart draws curves in one picture over the steps of a run.
type Chart struct {
	Title   string
	Records []Record
	Names   []string // figures to draw, at most eight; a step without one is left out of its curve
}

// The picture, and the part of it inside the axes.
const (
	chartW, chartH             = 640, 260
	plotL, plotR, plotT, plotB = 64, 624, 12, 228
	mostPoints                 = 400 // of a curve; more are averaged
)

// Colours that differ for colour-blind eyes too (Okabe and Ito 2008).
var colours = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"}

type point struct{ x, y float64 }

// points returns the values of a figure that can be drawn, long runs averaged to mostPoints.
func (c Chart) points(name string) []point {
	var all []point
	for _, r := range c.Records {
		for _, s := range r.Scalars {
			if s.Name == name && math.Abs(s.Value) < 1e300 { // not NaN either
				all = append(all, point{float64(r.Step), s.Value})
			}
		}
	}
	if len(all) <= mostPoints {
		return all
	}
	var few []point
	for i := range mostPoints {
		part := all[i*len(all)/mostPoints : (i+1)*len(all)/mostPoints]
		var p point
		for _, q := range part {
			p.x, p.y = p.x+q.x/float64(len(part)), p.y+q.y/float64(len(part))
		}
		few = append(few, p)
	}
	return few
}

// SVG returns the picture as an svg element, or nothing if there are no points.
func (c Chart) SVG() template.HTML {
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	curves := make([][]point, min(len(c.Names), len(colours)))
	for i := range curves {
		curves[i] = c.points(c.Names[i])
		for _, p := range curves[i] {
			low = point{min(low.x, p.x), min(low.y, p.y)}
			high = point{max(high.x, p.x), max(high.y, p.y)}
		}
	}
	if low.x > high.x {
		return ""
	}
	if low.x == high.x {
		high.x++
	}
	if low.y == high.y {
		low.y, high.y = low.y-0.5, high.y+0.5
	}
	ticksY := ticks(low.y, high.y)
	low.y, high.y = min(low.y, ticksY[0]), max(high.y, ticksY[len(ticksY)-1])
	atX := func(x float64) float64 { return plotL + (plotR-plotL)*(x-low.x)/(high.x-low.x) }
	atY := func(y float64) float64 { return plotB - (plotB-plotT)*(y-low.y)/(high.y-low.y) }

	var b strings.Builder
	esc := template.HTMLEscapeString
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartW, chartH, esc(c.Title))
	for _, y := range ticksY {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotL, plotR, atY(y), atY(y), plotL-6, atY(y)+4, number(y))
	}
	for _, x := range ticks(low.x, high.x) {
		if x == math.Trunc(x) && x >= low.x && x <= high.x {
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, atX(x), plotB+18, number(x))
		}
	}
	for i, curve := range curves {
		var path strings.Builder
		for _, p := range curve {
			fmt.Fprintf(&path, "%.1f,%.1f ", atX(p.x), atY(p.y))
		}
		switch len(curve) {
		case 0:
		case 1:
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, atX(curve[0].x), atY(curve[0].y), colours[i])
		default:
			fmt.Fprintf(&b, `<polyline points="%s" stroke="%s"><title>%s</title></polyline>`, strings.TrimSpace(path.String()), colours[i], esc(c.Names[i]))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// Key is a curve's name, its colour and its last value, for the line below the picture.
type Key struct {
	Name, Last string
	Colour     template.CSS
}

// Keys returns those of the curves that have points.
func (c Chart) Keys() []Key {
	var keys []Key
	for i, name := range c.Names[:min(len(c.Names), len(colours))] {
		if p := c.points(name); len(p) > 0 {
			keys = append(keys, Key{name, number(p[len(p)-1].y), template.CSS(colours[i])})
		}
	}
	return keys
}

// ticks returns about five round numbers whose range covers low to high.
func ticks(low, high float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (high-low)/(m*step) <= 6 {
			step *= m
			break
		}
	}
	first, last := math.Floor(low/step), math.Ceil(high/step)
	if !(finite(step) && last-first < 12 && math.Abs(first) < 1e12 && math.Abs(last) < 1e12) { // a range at the limits of float64
		return []float64{low, high}
	}
	var list []float64
	for i := range int(last-first) + 1 {
		list = append(list, (first+float64(i))*step)
	}
	return list
}

func number(v float64) string {
	if v == 0 || math.Abs(v) < 1e-12 {
		return "0"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
