package convert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
	"github.com/gansr/gansr/upscale"
)

// Options say how a file is converted. The zero value is the default.
type Options struct {
	// Opset is the version of ONNX's operators to write, 0 for 17, or the source's if its operators do not allow that.
	Opset int
	// Half writes weights in float16, and a graph that computes in it.
	Half bool
	// Range are the values of black and white, such as "0,255", where the file does not say them or says them wrongly.
	Range string
	// Metadata are entries for the file, such as a licence, beside those of the source. Keys of gansr's own cannot be given.
	Metadata map[string]string
	// Sizes are the heights and widths to compare on; none stands for three that suit the network.
	Sizes [][2]int
	// AnySize takes the height and width off an ONNX file that is made for one, and out of its constants; Size states some.
	AnySize bool
	Size    [2]int
	// NoCheck leaves out the comparison, and the certificate with it.
	NoCheck bool
	// Workers compute; nil is the calling goroutine alone.
	Workers *graph.Workers
}

// UsageError reports arguments that cannot be meant.
type UsageError string

func (e UsageError) Error() string { return "convert: " + string(e) }

// Report says what Convert did.
type Report struct {
	Said        []string
	Certificate *Certificate // nil if nothing was compared
}

func (r *Report) say(format string, args ...any) {
	r.Said = append(r.Said, fmt.Sprintf(format, args...))
}

// Convert writes a network as an ONNX file, or, if out ends in .safetensors, as a state dictionary of PyTorch's. A file called out is
// replaced when the new one is complete.
func Convert(ctx context.Context, s *Source, out string, opt Options) (*Report, error) {
	r := &Report{Said: s.Said}
	for key := range opt.Metadata {
		if key == "" || strings.HasPrefix(key, "gansr.") {
			return nil, UsageError(fmt.Sprintf("metadata %q: keys are words such as license and source, and those that begin with gansr. are not given", key))
		}
	}
	if opt.Opset != 0 && (opt.Opset < onnxio.MinWritten || opt.Opset > onnxio.MaxOpset) {
		return nil, UsageError(fmt.Sprintf("operators of version %d cannot be written: %d to %d can", opt.Opset, onnxio.MinWritten, onnxio.MaxOpset))
	}
	if a, err := os.Stat(out); err == nil {
		if b, err := os.Stat(s.Path); err == nil && os.SameFile(a, b) {
			return nil, UsageError(out + ": the result would replace its source; give it another name")
		}
	}
	switch strings.ToLower(filepath.Ext(out)) {
	case ".safetensors":
		if opt.Opset != 0 || opt.Half || opt.Range != "" || opt.AnySize || opt.Size != [2]int{} || opt.NoCheck || len(opt.Sizes) > 0 {
			return nil, UsageError(out + ": a state dictionary has no operators, float16, size, range and check; --metadata alone goes with it")
		}
		return r, r.toState(s, out, opt.Metadata)
	case ".onnx":
	default:
		return nil, UsageError(out + ": the name of the result should end in .onnx or .safetensors")
	}
	if opt.Range != "" {
		if _, err := upscale.FactsFromMetadata(upscale.Facts{}, map[string]string{"gansr.range": opt.Range}); err != nil {
			return nil, UsageError(fmt.Sprintf("the range %q should be the values of black and white, such as 0,255", opt.Range))
		}
	}
	if err := writable(out); err != nil {
		return nil, err
	}
	if opt.Half && isHalf(s.Model) {
		r.say("the weights are in float16 already")
		opt.Half = false
	}
	sized := *s
	var err error
	if s.File == nil || opt.AnySize || opt.Size != [2]int{} { // what is built from a state dictionary takes any
		if sized.Model, err = r.resize(ctx, s.Model, &opt); err != nil {
			return nil, err
		}
	}
	s = &sized
	hash := beside(s.hash)
	packed := graph.NewDirectWeights()
	u, err := upscale.NewModel(ctx, s.Model, opt.Workers, nil, onnxio.Packed(packed))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		r.say("no generator: %s", strings.TrimPrefix(err.Error(), "upscale: "))
		u = nil
	}
	refer := func(lo, hi float32) func() (*reference, error) {
		return beside(func() (*reference, error) {
			if opt.NoCheck {
				return nil, nil
			}
			from, err := newRunner(s.Model, opt.Workers, lo, hi, onnxio.Packed(packed))
			if err != nil {
				return nil, err
			}
			on := opt.Sizes
			if len(on) == 0 {
				on = sizes(u)
			}
			return from.refer(ctx, on)
		})
	}
	lo, hi, err := bounds(s.Model)
	if err != nil {
		return nil, err
	}
	reference := refer(lo, hi) // while the values are measured, which seldom changes them, and the file is written
	was := [2]float32{lo, hi}
	m, err := r.prepare(ctx, s, u, hash, opt)
	if err == nil {
		lo, hi, err = bounds(m)
	}
	if err != nil {
		_, _ = reference()
		return nil, err
	}
	if opt.Half {
		if m, err = m.Half(); err != nil {
			_, _ = reference()
			return nil, err
		}
		packed = graph.NewDirectWeights() // nothing is shared
	}
	err = atomicfile.Write(out, func(f *os.File) error {
		digest := beside(func() (string, error) { return digest(m) })
		_, err := m.WriteTo(f)
		written := beside(func() (any, error) { return nil, f.Sync() })
		ref, failed := reference()
		if was != [2]float32{lo, hi} && err == nil {
			ref, failed = refer(lo, hi)()
		}
		if err = cmp.Or(err, failed); err != nil || ref == nil {
			return err
		}
		certificate, err := r.certify(ctx, f.Name(), s.Model, m, digest, packed, ref, lo, hi, opt)
		if _, failed := written(); err != nil || failed != nil {
			return cmp.Or(err, failed)
		}
		_, err = f.Write(certificate)
		return err
	})
	path, link := (*fs.PathError)(nil), (*os.LinkError)(nil)
	switch { // these name a temporary file
	case err == nil:
		return r, nil
	case errors.As(err, &path):
		err = fmt.Errorf("convert: %s: %w", out, path.Err)
	case errors.As(err, &link):
		err = fmt.Errorf("convert: %s: %w", out, link.Err)
	}
	return nil, err
}

// beside calls f while other work goes on. The function that it returns waits for the result.
func beside[T any](f func() (T, error)) func() (T, error) {
	var v T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		v, err = f()
	}()
	return func() (T, error) {
		<-done
		return v, err
	}
}

// writable finds out early what would make it impossible to write a file.
func writable(out string) error {
	if dir := filepath.Dir(out); !isFolder(dir) {
		return fmt.Errorf("convert: %s: there is no folder %s", out, dir)
	}
	if info, err := os.Stat(out); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("convert: %s: something of this name is there and not a file that can be replaced", out)
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// isHalf reports whether most of a model's floating-point constants are float16.
func isHalf(m *onnxio.Model) bool {
	half, other := 0, 0
	for _, name := range m.Graph().Initializers() {
		info, _ := m.Graph().InitializerInfo(name)
		n := 1
		for _, d := range info.Dims {
			n *= d.Value
		}
		switch {
		case info.DType == graph.Float16:
			half += n
		case info.DType.IsFloat():
			other += n
		}
	}
	return half > other
}

// tolerance is the largest error of a conversion that changes no numbers on purpose, relative to the output's range.
const tolerance = 1e-4

// certify compares the file at path, which m has been written to, with its source, and returns what adds the certificate at its end.
func (r *Report) certify(ctx context.Context, path string, from, m *onnxio.Model, digest func() (string, error), packed *graph.Weights, ref *reference, lo, hi float32, opt Options) ([]byte, error) {
	reloaded, err := onnxio.OpenLike(path, m)
	if err != nil {
		return nil, err
	}
	var got []*graph.Tensor
	if reloaded.SameGraph(from) { // and so its outputs are
		got = ref.outputs
	} else {
		options := []onnxio.Option{onnxio.Packed(packed)}
		if opt.Half { // as programs compute that have the type
			options = append(options, onnxio.Rounding())
		}
		to, err := newRunner(reloaded, opt.Workers, lo, hi, options...)
		if err != nil {
			return nil, err
		}
		if got, err = to.outputs(ctx, ref); err != nil {
			return nil, err
		}
	}
	c, err := ref.certify(got)
	if err != nil {
		return nil, err
	}
	if c.Error > tolerance && !opt.Half {
		return nil, fmt.Errorf("convert: the converted model differs from its source by %.2g of the output's range, and should by at most %g", c.Error, tolerance)
	}
	if c.Digest, err = digest(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	var shapes []string
	for _, k := range c.Cases {
		shapes = append(shapes, strings.ReplaceAll(strings.Trim(fmt.Sprint(k.Shape), "[]"), " ", "x"))
	}
	r.say("certificate: the file differs from its source by %.2g of the output's range, on inputs of %s; %.23s…", c.Error, strings.Join(shapes, ", "), c.Digest)
	if opt.Half {
		r.say("float16 costs up to %.2g of the output's range, which is %.1f levels of 255", c.Error, 255*c.Error)
	}
	r.Certificate = c
	return onnxio.EncodeMetadata(certificateKey, string(text))
}

// prepare makes the model that is written, but for the certificate.
func (r *Report) prepare(ctx context.Context, s *Source, u *upscale.Model, hash func() (string, error), opt Options) (*onnxio.Model, error) {
	m := s.Model
	if s.File == nil {
		var err error
		if m, err = m.Simplified(ctx); err != nil {
			return nil, err
		}
		a, b := nodes(s.Model), nodes(m)
		if a != b {
			r.say("%d nodes of %d are left, the others were constant or not needed", b, a)
		}
	}
	m, err := r.opset(m, opt.Opset)
	if err != nil {
		return nil, err
	}
	source, err := hash()
	if err != nil {
		return nil, err
	}
	if m.Metadata()["gansr.source"] == "" || s.File != nil { // what was converted before keeps what it was
		m.SetMetadata("gansr.source", source)
	}
	if s.File != nil {
		kept, err := keep(s.File, m)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(kept)
		if err != nil {
			return nil, fmt.Errorf("convert: %w", err)
		}
		m.SetMetadata(stateKey, string(text))
	}
	for _, key := range slices.Sorted(maps.Keys(opt.Metadata)) {
		m.SetMetadata(key, opt.Metadata[key])
	}
	if opt.Range != "" {
		m.SetMetadata("gansr.range", opt.Range)
		r.say("values: %s, as given", opt.Range)
		return m, nil
	}
	return m, r.measureRange(ctx, s, m, u)
}

// opset converts to a version of ONNX's operators.
func (r *Report) opset(m *onnxio.Model, version int) (*onnxio.Model, error) {
	const usual = 17
	was := m.Opset("")
	to := version
	if to == 0 {
		to = usual
	}
	if was == to {
		return m, nil
	}
	c, err := m.ConvertedOpset(to)
	switch {
	case err == nil:
		r.say("operators of version %d, from %d", to, was)
		return c, nil
	case version == 0:
		r.say("operators of version %d, as version %d does not do: %v", was, to, err)
		return m, nil
	}
	return nil, err
}

// measureRange finds out which values the network takes.
func (r *Report) measureRange(ctx context.Context, s *Source, m *onnxio.Model, u *upscale.Model) error {
	if u == nil {
		return nil
	}
	md, stated := m.Metadata(), map[string]string{}
	for _, k := range rangeKeys {
		if v, ok := md[k]; ok {
			stated[k] = v
		}
	}
	if whole := upscale.RangeOf(m.Graph().Inputs[0].DType); whole != (upscale.Range{}) && len(stated) == 0 {
		m.SetMetadata("gansr.range", fmt.Sprintf("%g,%g", whole.Lo, whole.Hi))
		r.say("values: range=%g,%g, as the input is of %v", whole.Lo, whole.Hi, m.Graph().Inputs[0].DType)
		return nil
	}
	results, err := probe(ctx, u, stated)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.say("values: not measured, as %s", strings.TrimPrefix(err.Error(), "upscale: "))
		return nil
	}
	keys, said := settle(results, stated, s.File != nil)
	r.Said = append(r.Said, said)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		m.SetMetadata(k, keys[k])
	}
	return nil
}

func nodes(m *onnxio.Model) int {
	n := len(m.Graph().Nodes)
	for _, f := range m.Functions() {
		n += len(f.Graph.Nodes)
	}
	return n
}

// sizes returns heights and widths to compare on, the smaller the more the network computes. u is nil for what is no generator.
func sizes(u *upscale.Model) [][2]int {
	switch {
	case u == nil:
		return [][2]int{{64, 64}, {96, 128}, {256, 256}}
	case u.FLOPs > costly:
		return multiples(u.Facts().Multiple, [][2]int{{5, 6}, {7, 5}, {5, 5}})
	case u.FLOPs > 5e6:
		return multiples(u.Facts().Multiple, [][2]int{{8, 12}, {13, 9}, {8, 10}})
	}
	return multiples(u.Facts().Multiple, [][2]int{{24, 32}, {37, 29}, {16, 20}})
}

// multiples rounds to multiples of a number, and keeps sizes different.
func multiples(m int, all [][2]int) [][2]int {
	if m <= 1 {
		return all
	}
	for i := range all {
		for a, n := range all[i] {
			all[i][a] = max(1, (n+m/2)/m) * m
		}
	}
	all[1][0] += m
	return all
}

// toState writes a state dictionary.
func (r *Report) toState(s *Source, out string, added map[string]string) error {
	if err := writable(out); err != nil {
		return err
	}
	metadata := map[string]string{}
	for key, value := range s.Model.Metadata() {
		if !strings.HasPrefix(key, "gansr.") {
			metadata[key] = value
		}
	}
	maps.Copy(metadata, added)
	metadata["format"] = "pt"
	if s.File != nil {
		r.say("%d tensors, as they are", len(s.File.Tensors))
		return torch.Save(out, s.File.Tensors, metadata)
	}
	tensors, original, err := StateOf(s.Model)
	if err != nil {
		return err
	}
	if original {
		r.say("%d tensors under the names of the file that the model was converted from", len(tensors))
	} else {
		r.say("%d parameters and statistics under their names in the graph: the file does not say those in PyTorch", len(tensors))
	}
	return torch.Save(out, tensors, metadata)
}
