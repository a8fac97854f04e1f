package watch

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
)

// element is what a parser finds: the name, the attributes, and the text inside.
type element struct {
	name  string
	attrs map[string]string
	text  string
}

func parse(t *testing.T, html []byte) []*element {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(html))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all, open []*element
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case xml.StartElement:
			e := &element{name: v.Name.Local, attrs: map[string]string{}}
			for _, a := range v.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != v.Name.Local {
				t.Fatalf("</%s> closes nothing", v.Name.Local)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			for _, e := range open {
				e.text += string(v)
			}
		}
	}
	if len(open) != 0 {
		t.Fatalf("<%s> is not closed", open[len(open)-1].name)
	}
	return all
}

func find(all []*element, name string) (found []*element) {
	for _, e := range all {
		if e.name == name {
			found = append(found, e)
		}
	}
	return found
}

func TestReport(t *testing.T) {
	var records []Record
	for step := range int64(1000) {
		r := Record{Step: step, Scalars: []Scalar{{"loss", math.Exp(-float64(step) / 200)}, {"bad", math.NaN()}}}
		if step%100 == 0 {
			r.Scalars = append(r.Scalars, Scalar{"psnr", 25 + float64(step)/1000})
		}
		records = append(records, r)
	}
	hostile := `<script>alert(1)</script> & "x"`
	report := Report{
		Title: hostile, Summary: []string{"better by 0.3 dB"}, Warnings: []string{hostile, "two"},
		Charts:   []Chart{{hostile, records, []string{"loss", "psnr", "none"}}, {"empty", records, []string{"bad"}}},
		Pictures: []Comparison{{hostile, []Panel{{"LR", red(8, 6)}, {hostile, red(32, 24)}}}},
		Tables:   []Table{{"validation", []string{"photo", "before", "after"}, [][]string{{hostile, "25.10", "25.40"}, {"mean", "25", "26"}}, "a note"}},
		Settings: []Setting{{"seed", "1"}, {"config", "a: 1\nb: 2"}},
	}
	var out bytes.Buffer
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	all := parse(t, out.Bytes())
	if len(find(all, "script"))+len(find(all, "link"))+len(find(all, "iframe")) != 0 {
		t.Error("the page runs or loads something")
	}
	for _, e := range all {
		for _, a := range []string{"src", "href", "xlink:href", "srcset"} {
			if v := e.attrs[a]; v != "" && !strings.HasPrefix(v, "data:image/png;base64,") {
				t.Errorf("%s %s=%.60q is not in the page", e.name, a, v)
			}
		}
	}
	if strings.Contains(out.String(), "ZgotmplZ") || strings.Contains(find(all, "style")[0].text, "url(") {
		t.Error("the template refused a value, or the style loads something")
	}
	if h := find(all, "h1"); len(h) != 1 || h[0].text != hostile {
		t.Errorf("title: %q", h[0].text)
	}
	if li := find(all, "li"); len(li) != 2 || li[0].text != hostile {
		t.Errorf("%d warnings", len(li))
	}
	var cells []string
	for _, e := range find(all, "td") {
		cells = append(cells, e.text)
	}
	if got := strings.Join(cells, "|"); got != hostile+"|25.10|25.40|mean|25|26|seed|1|config|a: 1\nb: 2" {
		t.Errorf("cells: %q", got)
	}
	images := find(all, "img")
	if len(images) != 2 || images[0].attrs["width"] != "256" || images[1].attrs["alt"] != hostile {
		t.Fatalf("images: %v", images)
	}
	for i, e := range images {
		_, text, _ := strings.Cut(e.attrs["src"], ",")
		file, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil || img.Bounds().Size() != []image.Point{{8, 6}, {32, 24}}[i] {
			t.Errorf("picture %d: %v", i, err)
		}
	}
	// Two curves, the long one averaged, both inside the axes; the falling one falls.
	lines := find(all, "polyline")
	if len(find(all, "svg")) != 1 || len(lines) != 2 {
		t.Fatalf("%d charts, %d curves", len(find(all, "svg")), len(lines))
	}
	for i, n := range []int{400, 10} {
		points := strings.Fields(lines[i].attrs["points"])
		if len(points) != n {
			t.Errorf("curve %d has %d points, want %d", i, len(points), n)
		}
		before := 0.0
		for _, p := range points {
			var x, y float64
			if _, err := fmt.Sscanf(p, "%f,%f", &x, &y); err != nil || x < plotL || x > plotR || y < plotT-0.1 || y > plotB+0.1 || x <= before {
				t.Fatalf("curve %d: point %s after %g, %v", i, p, before, err)
			}
			before = x
		}
	}
	if key := find(all, "figcaption"); !strings.Contains(out.String(), "no figures") || len(key) != 3 {
		t.Errorf("%d captions", len(key))
	}
	report.Tables[0].Rows[0] = []string{"short"}
	if err := report.Write(io.Discard); err == nil {
		t.Error("a row that is too short is accepted")
	}
}

func TestTicks(t *testing.T) {
	for _, r := range [][2]float64{{0, 1}, {-3, 250}, {1e-9, 3e-9}, {25.1, 25.2}, {-1e30, 1e30}, {1, math.Nextafter(1, 2)}, {-math.MaxFloat64, math.MaxFloat64}} {
		list := ticks(r[0], r[1])
		if len(list) < 2 || len(list) > 12 || list[0] > r[0] || list[len(list)-1] < r[1] {
			t.Errorf("%v: %v", r, list)
		}
	}
}

func TestGrid(t *testing.T) {
	low := FromPlanes([]float32{0, 1, 0, 0, 2, -1, 0, float32(math.NaN()), 0.5, 0.5, 0.5, 0.5}, 2, 2)
	if got := low.NRGBAAt(1, 0); got != (color.NRGBA{255, 0, 128, 255}) {
		t.Errorf("pixel (1, 0): %v", got)
	}
	grid := Grid([][]image.Image{{low, red(8, 8), red(8, 8)}, {red(4, 8), red(4, 8)}})
	if grid.Bounds() != image.Rect(0, 0, 28, 18) {
		t.Fatalf("bounds %v", grid.Bounds())
	}
	if grid.NRGBAAt(7, 3) != low.NRGBAAt(1, 0) || grid.NRGBAAt(3, 4) != low.NRGBAAt(0, 1) || grid.NRGBAAt(8, 3) != (color.NRGBA{255, 255, 255, 255}) || grid.NRGBAAt(10, 0).R != 200 || grid.NRGBAAt(9, 17).R != 200 {
		t.Error("the pictures are not at their places")
	}
	Grid(nil)
}
