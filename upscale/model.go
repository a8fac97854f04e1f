package upscale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// Model is an ONNX network that makes an image from an image, as a Generator. What upscaling needs to know is read from its graph
// and its metadata.
type Model struct {
	program *onnxio.Program
	input   onnxio.ValueInfo
	output  int
	nhwc    bool // of the input
	outNHWC bool
	outType graph.DType
	border  int // pixels that are added on each side, because the network's convolutions take them away
	facts   Facts
	// Reach is how the output depends on the input.
	Reach graph.Reach
	// FLOPs are the floating-point operations for one input pixel.
	FLOPs int64
	// MaxWeights bounds the bytes of packed weights and of a tile's workspace, as far as slower algorithms allow; 0 means no
	// bound. It must be set before the first run.
	MaxWeights int64

	mu       sync.Mutex
	sessions []*tileSession // the most recently used first
}

// tileSession is the network compiled for one tile shape.
type tileSession struct {
	h, w    int
	session *graph.Session
}

// maxSessions bounds the tile shapes that a Model keeps ready: photos of a folder mostly share one or two.
const maxSessions = 3

// NewModel finds out how m enlarges images. The keys of docs/model-metadata.md in overrides come before those in the file. It is
// an error if m is not a network from one image of 1 or 3 channels to one such image, or uses unsupported operators. Options are those of
// its program.
func NewModel(ctx context.Context, m *onnxio.Model, workers *graph.Workers, overrides map[string]string, options ...onnxio.Option) (*Model, error) {
	p, err := onnxio.NewProgram(m, workers, options...)
	if err != nil {
		return nil, err
	}
	g := &Model{program: p}
	if err := g.probe(ctx); err != nil {
		return nil, fmt.Errorf("upscale: %w", err)
	}
	probed := g.facts
	for _, md := range []map[string]string{m.Metadata(), overrides} {
		if g.facts, err = FactsFromMetadata(g.facts, md); err != nil {
			return nil, err
		}
	}
	switch f := g.facts; {
	case f.Scale != probed.Scale:
		return nil, fmt.Errorf("upscale: gansr.scale is %d, and the model enlarges by %d", f.Scale, probed.Scale)
	case f.Channels != probed.Channels:
		return nil, fmt.Errorf("upscale: gansr.channels asks for %d, and the model takes %d", f.Channels, probed.Channels)
	}
	return g, nil
}

// Facts returns what NewModel found.
func (g *Model) Facts() Facts { return g.facts }

// probe finds the image input and output, the sizes that work, the scale, and what an output pixel depends on.
func (g *Model) probe(ctx context.Context) error {
	graphInputs := g.program.Model().Graph().Inputs
	if len(graphInputs) != 1 {
		return fmt.Errorf("the model should have one input, an image; it has %v", graphInputs)
	}
	g.input = graphInputs[0]
	dt := g.input.DType
	if !holdsPixels(dt) && dt != graph.Invalid || g.input.HasShape && len(g.input.Dims) != 4 {
		return fmt.Errorf("the model's input %v is not an image: it should be a tensor of four dimensions and float, uint8 or int8", g.input)
	}
	g.facts.Range = RangeOf(dt)
	if err := g.layout(); err != nil {
		return err
	}
	if h, w := g.program.Model().MaskedSize(); g.facts.FixedH == 0 && h > 0 && g.sizeAt(ctx, h, w).err == nil {
		g.facts.FixedH, g.facts.FixedW = h, w
		g.facts.FixedWhy = fmt.Sprintf("the file allows any size, but the masks of its windows are for %dx%d", w, h)
	}
	if err := g.sizes(ctx); err != nil {
		return err
	}
	return g.reach(ctx)
}

// holdsPixels reports whether images are of this type: floating-point, or bytes, as networks for telephones have them.
func holdsPixels(dt graph.DType) bool { return dt.IsFloat() || RangeOf(dt) != Range{} }

// RangeOf returns the values of black and white of images of an integer type, and the zero value for other types.
func RangeOf(dt graph.DType) Range {
	switch dt {
	case graph.Uint8:
		return Range{0, 255}
	case graph.Int8:
		return Range{-128, 127}
	}
	return Range{}
}

// layout tells NCHW from NHWC and reads the number of channels and a fixed size.
func (g *Model) layout() error {
	g.facts.Channels = 3
	if !g.input.HasShape {
		return nil
	}
	d := g.input.Dims
	image := func(d onnxio.Dim) bool { return d.Value == 1 || d.Value == 3 }
	switch {
	case image(d[1]):
	case d[1].Known() && !image(d[3]), !d[1].Known() && d[3].Known() && !image(d[3]) && d[3].Value <= 4:
		return fmt.Errorf("the model's input %v has neither 1 nor 3 channels", g.input)
	case image(d[3]):
		g.nhwc = true
	}
	c, h, w := d[1], d[2], d[3]
	if g.nhwc {
		h, w, c = d[1], d[2], d[3]
	}
	if c.Known() {
		g.facts.Channels = c.Value
	}
	if h.Known() || w.Known() {
		g.facts.FixedH, g.facts.FixedW = max(h.Value, w.Value), max(h.Value, w.Value)
		if h.Known() && w.Known() {
			g.facts.FixedH, g.facts.FixedW = h.Value, w.Value
		}
	}
	return nil
}

func (g *Model) shape(h, w int) []int {
	if g.nhwc {
		return []int{1, h, w, g.facts.Channels}
	}
	return []int{1, g.facts.Channels, h, w}
}

func (g *Model) dtype() graph.DType {
	if g.input.DType == graph.Invalid {
		return graph.Float32
	}
	return g.input.DType
}

func (g *Model) translate(ctx context.Context, h, w int) (*onnxio.Translation, error) {
	return g.program.Translate(ctx, map[string]graph.Type{g.input.Name: {DType: g.dtype(), Shape: g.shape(h, w)}})
}

// sized is the size of an output image.
type sized struct {
	h, w   int
	output int // which output it is
	nhwc   bool
	err    error
}

// sizesAt returns what inputs of two sizes give.
func (g *Model) sizesAt(ctx context.Context, a, b [2]int) (of [2]sized) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		of[0] = g.sizeAt(ctx, a[0], a[1])
	}()
	of[1] = g.sizeAt(ctx, b[0], b[1])
	<-done
	return of
}

// sizeAt returns what an input of some size gives.
func (g *Model) sizeAt(ctx context.Context, h, w int) sized {
	t, err := g.translate(ctx, h, w)
	if err != nil {
		return sized{err: err}
	}
	types := make([]graph.Type, len(t.Outputs))
	for i, o := range t.Outputs {
		types[i] = o.Type()
		s := types[i].Shape
		if len(s) != 4 || !holdsPixels(types[i].DType) || s[0] != 1 {
			continue
		}
		for _, nhwc := range []bool{g.nhwc, !g.nhwc} { // converters can be told to change the input alone
			c, oh, ow := s[1], s[2], s[3]
			if nhwc {
				oh, ow, c = s[1], s[2], s[3]
			}
			if c == g.facts.Channels {
				return sized{oh, ow, i, nhwc, nil}
			}
		}
	}
	return sized{err: fmt.Errorf("no output is an image of %d channels: an input of %v gives %v", g.facts.Channels, g.shape(h, w), types)}
}

// scales reports whether the output of an input of this size is Scale times as large, less the border.
func (g *Model) scales(h, w int, of sized) bool {
	return of.err == nil && g.scaled(h, of.h) && g.scaled(w, of.w)
}

// scaled reports whether out pixels are Scale times in pixels, less the border.
func (g *Model) scaled(in, out int) bool { return out == g.facts.Scale*(in-2*g.border) }

// sizes finds the scale, the border that unpadded convolutions take away, and the smallest number whose multiples the network
// accepts as height and width.
func (g *Model) sizes(ctx context.Context) error {
	f := &g.facts
	f.Multiple = 1
	if f.FixedH > 0 {
		of := g.sizeAt(ctx, f.FixedH, f.FixedW)
		f.Scale, g.output, g.outNHWC = of.h/f.FixedH, of.output, of.nhwc
		if of.err == nil && (f.Scale < 1 || !g.scales(f.FixedH, f.FixedW, of)) {
			return fmt.Errorf("an input of %dx%d pixels becomes one of %d pixels in height: only networks that enlarge both axes by the same whole number can be used", f.FixedW, f.FixedH, of.h)
		}
		return of.err
	}
	channels := []int{f.Channels}
	if d := g.input.Dims; !g.input.HasShape || !d[1].Known() && !d[3].Known() {
		channels = []int{3, 1} // the file does not say: try
	}
	var err error
	for _, n := range []int{64, 240} { // most networks accept one of them, or what it is a multiple of
		for _, f.Channels = range channels {
			of := g.sizesAt(ctx, [2]int{n, n}, [2]int{2 * n, 2 * n})
			if err = cmp.Or(of[0].err, of[1].err); err != nil {
				continue
			}
			g.output, g.outNHWC = of[0].output, of[0].nhwc
			f.Scale = (of[1].h - of[0].h) / n
			if f.Scale >= 1 {
				g.border = (f.Scale*n - of[0].h) / (2 * f.Scale)
			}
			if f.Scale < 1 || g.border < 0 || !g.scales(n, n, of[0]) || !g.scales(2*n, 2*n, of[1]) {
				return fmt.Errorf("inputs of %d and %d pixels become outputs of %d and %d: only networks that enlarge both axes by the same whole number can be used", n, 2*n, of[0].h, of[1].h)
			}
			return g.multiple(ctx)
		}
	}
	f.Channels = channels[0]
	return err
}

// multiple finds the smallest number whose odd multiples, and so all, work.
func (g *Model) multiple(ctx context.Context) error {
	for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64, 80, 96, 128} {
		odd := (48+m-1)/m | 1
		of := g.sizesAt(ctx, [2]int{odd * m, (odd + 2) * m}, [2]int{(odd + 2) * m, odd * m})
		if g.scales(odd*m, (odd+2)*m, of[0]) && g.scales((odd+2)*m, odd*m, of[1]) {
			g.facts.Multiple = m
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errors.New("no number up to 128 was found whose multiples the model accepts as height and width")
}

// reachSize is large enough for the receptive fields of most networks, and reachSizeLarge for RRDB's.
const (
	reachSize      = 256
	reachSizeLarge = 1024
)

func (g *Model) reach(ctx context.Context) error {
	f := &g.facts
	sizes := []int{roundUp(reachSize, f.Multiple), roundUp(reachSizeLarge, f.Multiple)}
	if f.FixedH > 0 {
		sizes = []int{f.FixedH}
	}
	vertical, horizontal := 2, 3
	if g.nhwc {
		vertical, horizontal = 1, 2
	}
	for _, n := range sizes {
		w := n
		if f.FixedW > 0 {
			w = f.FixedW
		}
		t, err := g.translate(ctx, n, w)
		if err != nil {
			return err
		}
		g.FLOPs = graph.FLOPs(t.Outputs) / int64(n*w)
		out := t.Outputs[g.output]
		g.outType = out.Type().DType
		f.Output = g.program.Model().Graph().Outputs[g.output].Name
		if g.Reach, err = graph.ReachOf(t.Inputs[0], out, vertical, horizontal); err != nil {
			return err
		}
		if !g.Reach.Exceeds {
			break
		}
	}
	f.WholeImage = g.Reach.Whole
	f.OutRange = RangeOf(g.outType)
	for a := range 2 { // the border that is added moves the picture against the output
		f.Halo = max(f.Halo, g.Reach.Before[a]+g.border, g.Reach.After[a]-g.border)
	}
	if m := lcm(f.Multiple, g.Reach.Align); f.FixedH%m == 0 && f.FixedW%m == 0 {
		f.Multiple = m
	}
	return nil
}

func lcm(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// session returns the network compiled for a tile shape.
func (g *Model) session(ctx context.Context, h, w int) (*graph.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range g.sessions {
		if s.h == h && s.w == w {
			g.sessions = slices.Insert(slices.Delete(g.sessions, i, i+1), 0, s)
			return s.session, nil
		}
	}
	t, err := g.translate(ctx, h+2*g.border, w+2*g.border)
	if err != nil {
		return nil, fmt.Errorf("upscale: %w", err)
	}
	s, err := g.compile(t)
	if err != nil {
		return nil, fmt.Errorf("upscale: %w", err)
	}
	g.sessions = slices.Insert(g.sessions[:min(len(g.sessions), maxSessions-1)], 0, &tileSession{h, w, s})
	return s, nil
}

func (g *Model) compile(t *onnxio.Translation) (*graph.Session, error) {
	out := t.Outputs[g.output : g.output+1]
	s, err := g.program.Session(t, out)
	if err != nil || g.MaxWeights == 0 || s.WeightBytes()+s.WorkspaceBytes() <= g.MaxWeights {
		return s, err
	}
	s, err = g.program.Session(t, out, graph.MaxMemory(s.ArenaBytes()+g.MaxWeights))
	if least := (*graph.MemoryError)(nil); errors.As(err, &least) { // whether that is too much, the plan of tiles decides
		return g.program.Session(t, out, graph.MaxMemory(least.Need))
	}
	return s, err
}

// Run implements Generator. It is safe for concurrent use.
func (g *Model) Run(ctx context.Context, dst, src []float32, h, w int, window Window) error {
	s, err := g.session(ctx, h, w)
	if err != nil {
		return err
	}
	scale, c := g.facts.Scale, g.facts.Channels
	in, err := g.tensor(src, c, h, w)
	if err != nil {
		return err
	}
	b := 2 * g.border
	at := graph.Window{Y: window.Y, X: window.X, H: h + b, W: w + b, ImageH: window.ImageH + b, ImageW: window.ImageW + b}
	if !g.outNHWC && g.outType == graph.Float32 {
		out, err := graph.FromSlice(dst[:c*h*scale*w*scale], 1, c, h*scale, w*scale)
		if err != nil {
			return err
		}
		_, err = s.RunTile(ctx, at, []*graph.Tensor{in}, out)
		return err
	}
	outs, err := s.RunTile(ctx, at, []*graph.Tensor{in})
	if err != nil {
		return err
	}
	v := graph.Data[float32](outs[0].Converted(graph.Float32))
	if !g.outNHWC {
		copy(dst, v)
		return nil
	}
	toPlanes(dst, v, c)
	return nil
}

// tensor makes the network's input of planes.
func (g *Model) tensor(src []float32, c, h, w int) (*graph.Tensor, error) {
	src = bordered(src[:c*h*w], c, h, w, g.border)
	h, w = h+2*g.border, w+2*g.border
	if g.nhwc {
		pixels := make([]float32, len(src))
		for i := range h * w {
			for k := range c {
				pixels[i*c+k] = src[k*h*w+i]
			}
		}
		src = pixels
	}
	t, err := graph.FromSlice(src, g.shape(h, w)...)
	if err != nil || g.dtype() == graph.Float32 {
		return t, err
	}
	if r := RangeOf(g.dtype()); r != (Range{}) {
		rounded := graph.NewTensor(graph.Float32, t.Shape()...)
		for i, v := range src {
			graph.Data[float32](rounded)[i] = min(max(float32(math.RoundToEven(float64(v))), r.Lo), r.Hi)
		}
		t = rounded
	}
	return t.Converted(g.dtype()), nil
}

// bordered returns planes with b pixels more on each side, which repeat the edge.
func bordered(src []float32, c, h, w, b int) []float32 {
	if b == 0 {
		return src
	}
	dst := make([]float32, 0, c*(h+2*b)*(w+2*b))
	for k := range c {
		for y := -b; y < h+b; y++ {
			row := src[(k*h+min(max(y, 0), h-1))*w:][:w]
			for x := -b; x < w+b; x++ {
				dst = append(dst, row[min(max(x, 0), w-1)])
			}
		}
	}
	return dst
}

func toPlanes(dst, pixels []float32, c int) {
	n := len(pixels) / c
	for i := range n {
		for k := range c {
			dst[k*n+i] = pixels[i*c+k]
		}
	}
}

// Memory implements MemoryEstimator: what the network takes for a tile, its packed weights included.
func (g *Model) Memory(h, w int) int64 {
	s, err := g.session(context.Background(), h, w)
	if err != nil {
		return 0 // Run will say so
	}
	return s.WeightBytes() + s.ArenaBytes() + s.WorkspaceBytes()
}

// haloStep is half an 8-bit step in pixel units of 0 to 1.
const haloStep = 0.5 / 255
