package main

import (
	"fmt"
	"io"
	"math"
)

// plainGo writes a transform in plain Go, one lane after the other.
func plainGo(w io.Writer, tr Transform) {
	fmt.Fprintf(w, "// %sGeneric %s.\n", tr.name, tr.doc)
	fmt.Fprintf(w, "func %sGeneric%s {\n", tr.name, tr.signature()[len("func"):])
	fmt.Fprint(w, "for tile := range n {\nx, p := x[tile*xStep:], p[tile*genericLanes:]\n")
	for _, pass := range tr.passes {
		switch {
		case pass.rows:
			fmt.Fprint(w, "for i := range rows {\n")
		case pass.count > 1:
			fmt.Fprintf(w, "for i := range %d {\n", pass.count)
		}
		fmt.Fprint(w, "for lane := range genericLanes {\n")
		plainGoPass(w, pass)
		fmt.Fprint(w, "}\n")
		if pass.count > 1 {
			fmt.Fprint(w, "}\n")
		}
	}
	fmt.Fprint(w, "}\n}\n\n")
}

// plainGoPass writes one turn of a pass for one lane. A row of constant stride becomes a pointer to an array, which needs
// one check of bounds.
func plainGoPass(w io.Writer, pass Pass) {
	order := byCreation(pass.outs)
	last := map[Slot]int{} // the largest minor of each row
	var rows []Slot
	use := func(s Slot) {
		row := Slot{s.buf, s.major, 0}
		if _, ok := last[row]; !ok {
			rows = append(rows, row)
		}
		last[row] = max(last[row], s.minor)
	}
	for _, n := range order {
		for _, x := range operands(n) {
			if x.op == Input {
				use(x.slot)
			}
		}
	}
	for _, o := range pass.outs {
		use(o.slot)
	}
	planes := false
	for _, r := range rows {
		from := "lane"
		if r.major > 0 {
			from = fmt.Sprintf("%d*xStride+lane", r.major)
		}
		turn := func(stride string) string {
			switch step := pass.step[r.buf]; {
			case step == 0:
				return ""
			case step == 1:
				return fmt.Sprintf("i*%s+", stride)
			default:
				return fmt.Sprintf("i*%d*%s+", step, stride)
			}
		}
		switch {
		case r.buf == Tile:
			fmt.Fprintf(w, "x%d := (*[%d*genericLanes+1]float32)(x[%s%s:])\n", r.major, last[r], turn("xStride"), from)
		case r.buf == Temp:
			fmt.Fprintf(w, "t := (*[%d*genericLanes+1]float32)(scratch[%slane:])\n", last[r], turn("genericLanes"))
		case !planes:
			planes = true
			fmt.Fprintf(w, "p := p[%slane:]\n", turn("pStride"))
		}
	}

	names := map[*Node]string{}
	name := func(n *Node) string {
		if n.op == Input && names[n] == "" {
			names[n] = fmt.Sprintf("v%d", n.id)
			fmt.Fprintf(w, "%s := %s\n", names[n], plainGoSlot(n.slot))
		}
		return names[n]
	}
	for _, n := range order {
		x, y := name(n.a), ""
		if n.b != nil {
			y = name(n.b)
		}
		c := math.Abs(n.c)
		var e string
		switch {
		case n.op == Add:
			e = x + " + " + y
		case n.op == Sub:
			e = x + " - " + y
		case n.op == Mul:
			e = fmt.Sprintf("%v*%s", float32(n.c), x)
		case n.op == MulAdd && n.c < 0:
			e = fmt.Sprintf("%s - %v*%s", y, float32(c), x)
		case n.op == MulAdd:
			e = fmt.Sprintf("%s + %v*%s", y, float32(c), x)
		case n.op == MulSub:
			e = fmt.Sprintf("%v*%s - %s", float32(n.c), x, y)
		}
		names[n] = fmt.Sprintf("v%d", n.id)
		fmt.Fprintf(w, "%s := %s\n", names[n], e)
	}
	for _, o := range pass.outs {
		fmt.Fprintf(w, "%s = %s\n", plainGoSlot(o.slot), name(o.node))
	}
}

func plainGoSlot(s Slot) string {
	switch s.buf {
	case Tile:
		return fmt.Sprintf("x%d[%d*genericLanes]", s.major, s.minor)
	case Planes:
		return fmt.Sprintf("p[%d*pStride]", s.major)
	}
	return fmt.Sprintf("t[%d*genericLanes]", s.minor)
}
