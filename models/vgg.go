package models

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// VGG builds the first layers of VGG16 or VGG19 (Simonyan and Zisserman, arXiv:1409.1556) for a perceptual loss. state is torchvision's state
// dictionary, with tensors features.N.weight and features.N.bias, or that of its features alone (N.weight); its classifier is not needed. layers are
// what the model gives, in this order: convB_I, reluB_I and poolB for block B and convolution I, both from 1, such as relu3_4. The
// input is RGB from 0 to 1, to which metadata add ImageNet's mean and deviation: the model itself takes normalised pictures [N, 3, H, W].
func VGG(state map[string]*graph.Tensor, layers []string) (*onnxio.Model, error) {
	m, err := vgg(state, layers)
	if err != nil {
		return nil, fmt.Errorf("models: VGG: %w", err)
	}
	return m, nil
}

var vggLayer = regexp.MustCompile(`^(?:(conv|relu)([1-5])_([1-4])|pool([1-5]))$`)

func vgg(state map[string]*graph.Tensor, layers []string) (*onnxio.Model, error) {
	for i, l := range layers {
		if !vggLayer.MatchString(l) || slices.Contains(layers[:i], l) {
			return nil, fmt.Errorf("layer %q is none or there twice; layers are called as in conv1_2, relu3_4 and pool5", l)
		}
	}
	if len(layers) == 0 {
		return nil, fmt.Errorf("no layer is named; a usual one is relu3_3")
	}
	prefix := "features."
	if state[prefix+"0.weight"] == nil {
		prefix = ""
	}
	if w := state[prefix+"1.weight"]; w != nil {
		return nil, fmt.Errorf("the file is of the variant with batch normalisation; take the one without")
	}
	kind, convolutions := "VGG16", []int{2, 2, 3, 3, 3}
	if state[prefix+"16.weight"] != nil { // a pool in VGG16
		kind, convolutions = "VGG19", []int{2, 2, 4, 4, 4}
	}
	n := newNet(kind, nil)
	n.state, n.key = state, func(name string) string { return prefix + name }
	made := map[string]string{}
	complete := func() bool {
		return !slices.ContainsFunc(layers, func(l string) bool { return made[l] == "" })
	}
	x, channels, at := n.b.Input("input", graph.Float32, "n", 3, "h", "w"), 3, 0
	for block, count := range convolutions {
		for i := range count {
			if complete() || n.err != nil {
				break
			}
			name, layer := strconv.Itoa(at), fmt.Sprintf("%d_%d", block+1, i+1)
			w := state[prefix+name+".weight"]
			if w == nil || len(w.Shape()) != 4 || w.Shape()[1] != channels {
				return nil, fmt.Errorf("tensor %q, the weight of conv%s, is missing or of another shape than [C %d 3 3]", prefix+name+".weight", layer, channels)
			}
			x = n.conv(name, x, channels, w.Shape()[0], 3, 1, true)
			made["conv"+layer], channels = x, w.Shape()[0]
			x = n.relu(x)
			made["relu"+layer] = x
			at += 2
		}
		if complete() || n.err != nil {
			break
		}
		x = n.b.Node("MaxPool", []string{x}, attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}))
		made[fmt.Sprintf("pool%d", block+1)] = x
		at++
	}
	if n.err != nil {
		return nil, n.err
	}
	for _, l := range layers {
		if made[l] == "" {
			return nil, fmt.Errorf("%s has no layer %s", kind, l)
		}
		n.b.Output(l, made[l], graph.Float32, "n", "c_"+l, "h_"+l, "w_"+l)
	}
	m, err := n.b.Model()
	if err != nil {
		return nil, err
	}
	for _, kv := range [][2]string{{"gansr.range", "0,1"}, {"gansr.mean", "0.485,0.456,0.406"}, {"gansr.std", "0.229,0.224,0.225"}, {"gansr.architecture", kind}} {
		m.SetMetadata(kv[0], kv[1])
	}
	return m, nil
}
