package models

import (
	"fmt"
	"strconv"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// LPIPS builds the perceptual distance of two pictures (Zhang et al., arXiv:1801.03924, version 0.1 over AlexNet): people find pictures alike whose distance is
// small, 0 for equal ones. state holds torchvision's features.N.weight and features.N.bias, and the heads linN.model.1.weight of the
// authors' package, whose two files may be read into one map. The model has inputs a and b, RGB from 0 to 1, [N, 3, H, W] with sides
// of at least 31 pixels, and the output distance, [N].
func LPIPS(state map[string]*graph.Tensor) (*onnxio.Model, error) {
	n := newNet("LPIPS", nil)
	n.state, n.key = state, func(name string) string { return name }
	convolutions := []struct{ at, kernel, stride, pad int }{{0, 11, 4, 2}, {3, 5, 1, 2}, {6, 3, 1, 1}, {8, 3, 1, 1}, {10, 3, 1, 1}}
	channels := []int{3}
	for i, c := range convolutions {
		name := "features." + strconv.Itoa(c.at)
		w := state[name+".weight"]
		if w == nil || len(w.Shape()) != 4 || w.Shape()[1] != channels[i] {
			return nil, fmt.Errorf("models: LPIPS: tensor %q is missing or of another shape than [C %d %d %d]", name+".weight", channels[i], c.kernel, c.kernel)
		}
		channels = append(channels, w.Shape()[0])
		if head := fmt.Sprintf("lin%d.model.1.weight", i); state[head] == nil {
			return nil, fmt.Errorf("models: LPIPS: tensor %q is missing: the file of the heads is one of the package's, for AlexNet", head)
		}
	}
	perChannel := func(v ...float32) string {
		t, err := graph.FromSlice(v, 1, 3, 1, 1)
		n.fail(err)
		return n.constant(t)
	}
	// From 0..1 to -1..1, and from there what the authors take off and divide by.
	shift, scale := perChannel(0.485, 0.456, 0.406), perChannel(0.229, 0.224, 0.225)
	features := func(x string) (taps []string) {
		x = n.b.Node("Div", []string{n.sub(x, shift), scale})
		for i, c := range convolutions {
			if i == 1 || i == 2 {
				x = n.b.Node("MaxPool", []string{x}, attr("kernel_shape", []int{3, 3}), attr("strides", []int{2, 2}))
			}
			name := "features." + strconv.Itoa(c.at)
			weight := n.weight(name+".weight", constant(0), channels[i+1], channels[i], c.kernel, c.kernel)
			x = n.relu(n.convolve([]string{x, weight, n.weight(name+".bias", constant(0), channels[i+1])}, c.kernel, c.stride, c.pad))
			norm := n.b.Node("ReduceL2", []string{x}, attr("axes", []int{1}), attr("keepdims", 1))
			taps = append(taps, n.b.Node("Div", []string{x, n.shifted(norm, 1e-10)}))
		}
		return taps
	}
	dims := []any{"n", 3, "h", "w"}
	a := features(n.b.Input("a", graph.Float32, dims...))
	b := features(n.b.Input("b", graph.Float32, dims...))
	var sum string
	for i := range a {
		off := n.sub(a[i], b[i])
		head := n.weight(fmt.Sprintf("lin%d.model.1.weight", i), constant(0), 1, channels[i+1], 1, 1)
		d := n.convolve([]string{n.b.Node("Mul", []string{off, off}), head}, 1, 1, 0)
		d = n.b.Node("ReduceMean", []string{d}, attr("axes", []int{1, 2, 3}), attr("keepdims", 0))
		if sum == "" {
			sum = d
		} else {
			sum = n.add(sum, d)
		}
	}
	n.b.Output("distance", sum, graph.Float32, "n")
	if n.err != nil {
		return nil, fmt.Errorf("models: LPIPS: %w", n.err)
	}
	m, err := n.b.Model()
	if err != nil {
		return nil, fmt.Errorf("models: LPIPS: %w", err)
	}
	m.SetMetadata("gansr.architecture", "LPIPS")
	return m, nil
}
