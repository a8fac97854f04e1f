package onnxio

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// axesInputs are the operators whose axes became input 1, and since when.
var axesInputs = map[string]int{"Squeeze": 13, "Unsqueeze": 13, "ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18, "ReduceMin": 18, "ReduceProd": 18,
	"ReduceL1": 18, "ReduceL2": 18, "ReduceLogSum": 18, "ReduceLogSumExp": 18, "ReduceSumSquare": 18}

// laterAttributes are those that operators got after version 11. Without them it is as if they had the value before; always means that they
// change nothing where there are no elements of types that came with them, and never that older versions lack what they do.
var laterAttributes = []struct {
	operators, name string
	since           int
	before          string
}{
	{"ArgMax ArgMin", "select_last_index", 12, "0"},
	{"Attention", "left_window_size", 25, "-1"},
	{"Attention", "right_window_size", 25, "-1"},
	{"AveragePool", "dilations", 19, "1"},
	{"BatchNormalization", "training_mode", 14, "0"},
	{"Cast CastLike", "round_mode", 24, always},
	{"Cast CastLike QuantizeLinear", "saturate", 19, always},
	{"DequantizeLinear QuantizeLinear", "block_size", 21, "0"},
	{"DequantizeLinear", "output_dtype", 23, "0"},
	{"Dropout", "seed", 12, always},
	{"GRU LSTM RNN", "layout", 14, "0"},
	{"GatherND", "batch_dims", 12, "0"},
	{"LpPool", "ceil_mode", 18, "0"},
	{"LpPool", "dilations", 18, "1"},
	{"QuantizeLinear", "output_dtype", 21, "0"},
	{"QuantizeLinear", "precision", 23, always},
	{"Range", "stash_type", 27, always},
	{"Resize", "antialias", 18, "0"},
	{"Resize", "axes", 18, never},
	{"Resize", "keep_aspect_ratio_policy", 18, "stretch"},
	{"ScatterElements ScatterND", "reduction", 16, "none"},
	{"SpaceToDepth", "mode", 28, "DCR"},
}

const (
	always = "always"
	never  = "never"
)

// dropLater takes away attributes that the version does not have, if they change nothing.
func (c *opsetConverter) dropLater(n *onnxpb.NodeProto) error {
	for _, l := range laterAttributes {
		a := attributeOf(n, l.name)
		if a == nil || !c.down(l.since) || !slices.Contains(strings.Fields(l.operators), n.GetOpType()) {
			continue
		}
		value := stringOf(n, l.name)
		switch {
		case a.I != nil:
			value = strconv.FormatInt(a.GetI(), 10)
		case len(a.Ints) > 0 && len(slices.Compact(slices.Clone(a.Ints))) == 1:
			value = strconv.FormatInt(a.Ints[0], 10)
		}
		if l.before != always && value != l.before {
			return fmt.Errorf("its %s came with version %d", l.name, l.since)
		}
		dropAttribute(n, l.name)
	}
	return nil
}

// change changes the inputs and attributes of a node whose operator stays.
func (c *opsetConverter) change(n *onnxpb.NodeProto) error {
	op := n.GetOpType()
	if err := c.dropLater(n); err != nil {
		return err
	}
	if v, ok := axesInputs[op]; ok {
		if err := c.intsInput(n, 1, "axes", v); err != nil {
			return err
		}
		if c.down(v) {
			dropAttribute(n, "noop_with_empty_axes")
		}
	}
	switch op {
	case "Clip":
		if c.up(11) {
			lo, hi := takeFloat(n, "min", -math.MaxFloat32), takeFloat(n, "max", math.MaxFloat32)
			n.Input = append(n.Input[:1:1], c.constant(graph.Scalar(lo)), c.constant(graph.Scalar(hi)))
		}
	case "Pad":
		if c.up(11) {
			value := takeFloat(n, "value", 0)
			if err := c.intsInput(n, 1, "pads", 11); err != nil {
				return err
			}
			n.Input = append(n.Input, c.constant(graph.Scalar(value)))
		}
		if c.down(18) && len(n.Input) > 3 && n.Input[3] != "" {
			return fmt.Errorf("its axes came with version 18")
		}
		if mode := stringOf(n, "mode"); mode == "wrap" && c.down(19) {
			return fmt.Errorf("its mode wrap came with version 19")
		}
	case "Slice":
		if c.up(10) {
			axes, given := takeInts(n, "axes")
			starts, _ := takeInts(n, "starts")
			ends, _ := takeInts(n, "ends")
			n.Input = append(n.Input[:1:1], c.ints(starts), c.ints(ends))
			if given {
				n.Input = append(n.Input, c.ints(axes))
			}
		}
	case "Dropout":
		if c.up(12) {
			dropAttribute(n, "ratio") // it does nothing in inference
		}
		if c.down(12) {
			n.Input = n.Input[:1]
		}
	case "Split":
		if err := c.intsInput(n, 1, "split", 13); err != nil {
			return err
		}
		even := len(n.Input) < 2 && attributeOf(n, "split") == nil
		if c.up(18) && even {
			n.Attribute = append(n.Attribute, intAttribute("num_outputs", int64(len(n.Output))))
		}
		if c.down(18) && attributeOf(n, "num_outputs") != nil {
			dropAttribute(n, "num_outputs")
			return c.evenly(n)
		}
	case "Scan":
		if c.up(9) {
			return fmt.Errorf("its batch axis went with version 9")
		}
	case "Upsample":
		if c.up(10) {
			return c.upsample(n)
		}
	case "Resize":
		return c.resize(n)
	case "TopK":
		if c.up(10) {
			k := attributeOf(n, "k").GetI()
			dropAttribute(n, "k")
			n.Input = append(n.Input[:1:1], c.ints([]int64{k}))
		}
	case "Attention":
		if c.down(24) && len(n.Input) > 6 && n.Input[6] != "" {
			return fmt.Errorf("its lengths of keys came with version 24")
		}
	case "GridSample":
		names := map[string]string{"bilinear": "linear", "bicubic": "cubic"}
		mode := stringOf(n, "mode")
		if c.up(20) {
			if mode == "" {
				mode = "bilinear"
			}
			if to := names[mode]; to != "" {
				setString(n, "mode", to)
			}
		}
		if c.down(20) {
			for old, now := range names {
				if mode == now || mode == "" && now == "linear" {
					setString(n, "mode", old)
				}
			}
		}
	case "Scatter":
		if c.up(11) {
			n.OpType = ptr("ScatterElements")
		}
	case "DFT":
		return c.dft(n)
	case "Reshape":
		if c.down(14) && attributeOf(n, "allowzero").GetI() != 0 {
			// It makes a 0 in the shape the length of an axis. Shapes that are computed have one only for empty images, which networks do not take.
			if v, ok := c.constantInts(n, 1); ok && slices.Contains(v, 0) {
				return fmt.Errorf("allowzero came with version 14")
			}
		}
		if c.down(14) {
			dropAttribute(n, "allowzero")
		}
	case "ScatterElements", "ScatterND":
		if mode := stringOf(n, "reduction"); c.down(18) && slices.Contains([]string{"max", "min"}, mode) {
			return fmt.Errorf("its reduction %s came with version 18", mode)
		}
	case "RoiAlign":
		const mode, old = "coordinate_transformation_mode", "output_half_pixel"
		if c.up(16) {
			setString(n, mode, old)
		}
		if c.down(16) {
			if stringOf(n, mode) != old {
				return fmt.Errorf("its regions are shifted by half a pixel since version 16")
			}
			dropAttribute(n, mode)
		}
	case "BatchNormalization":
		if c.up(9) {
			dropAttribute(n, "spatial")
		}
	case "Constant":
		if c.down(12) && attributeOf(n, "value") == nil {
			return fmt.Errorf("values that are no tensors came with version 12")
		}
	case "QuantizeLinear", "DequantizeLinear":
		for _, name := range n.Input {
			if dt := c.types[name]; c.down(21) && (dt == graph.Int16 || dt == graph.Uint16) {
				return fmt.Errorf("numbers of %v came with version 21", dt)
			}
		}
		if c.down(13) && attributeOf(n, "axis") != nil {
			if scale := c.constants[n.Input[1]]; scale == nil || len(scale.Dims) > 0 && !slices.Equal(scale.Dims, []int64{1}) {
				return fmt.Errorf("its axis came with version 13")
			}
			dropAttribute(n, "axis")
		}
	}
	return nil
}

// intsInput makes an attribute input i, or the other way round, as an operator has it from a version on.
func (c *opsetConverter) intsInput(n *onnxpb.NodeProto, i int, name string, version int) error {
	switch {
	case c.up(version):
		if v, ok := takeInts(n, name); ok {
			for len(n.Input) < i {
				n.Input = append(n.Input, "")
			}
			n.Input = append(n.Input[:i:i], c.ints(v))
		}
	case c.down(version) && len(n.Input) > i && n.Input[i] != "":
		v, ok := c.constantInts(n, i)
		if !ok {
			return fmt.Errorf("its %s are computed, which came with version %d", name, version)
		}
		n.Input = n.Input[:i]
		if len(v) > 0 {
			n.Attribute = append(n.Attribute, intsAttribute(name, v))
		}
	}
	return nil
}

// evenly checks that a Split into a number of parts has equal ones, as all had before version 18, or states their lengths.
func (c *opsetConverter) evenly(n *onnxpb.NodeProto) error {
	axis, shape := attributeOf(n, "axis").GetI(), c.shapes[n.Input[0]]
	if axis < 0 {
		axis += int64(len(shape))
	}
	if axis < 0 || axis >= int64(len(shape)) || !shape[axis].Known() {
		return fmt.Errorf("it is not known whether its parts are equal, as they were before version 18")
	}
	parts := int64(len(n.Output))
	left := int64(shape[axis].Value)
	if left%parts == 0 {
		return nil
	}
	size := (left + parts - 1) / parts
	var sizes []int64
	for range parts {
		sizes = append(sizes, min(size, left))
		left -= min(size, left)
	}
	if c.to < 13 {
		n.Attribute = append(n.Attribute, intsAttribute("split", sizes))
	} else {
		n.Input = append(n.Input[:1:1], c.ints(sizes))
	}
	return nil
}

// softmax: up to version 12 it was over all axes from one on, and by default from 1; since 13 it is over one axis, by default the last. It
// stays if that is the same.
func (c *opsetConverter) softmax(n *onnxpb.NodeProto) func(*steps) error {
	a := attributeOf(n, "axis")
	axis := int64(-1)
	if a != nil {
		axis = a.GetI()
	} else if c.up(13) {
		axis = 1
	}
	if shape, known := c.shapes[n.Input[0]]; axis == -1 || known && axis == int64(len(shape)-1) {
		dropAttribute(n, "axis")
		n.Attribute = append(n.Attribute, intAttribute("axis", axis))
		return nil
	}
	if c.up(13) {
		return func(s *steps) error { return s.flattened(axis) }
	}
	return func(s *steps) error { return s.softmax(axis) }
}

// upsample becomes a Resize of version 11, which counts pixels as Upsample did.
func (c *opsetConverter) upsample(n *onnxpb.NodeProto) error {
	scales := ""
	if len(n.Input) > 1 {
		scales = n.Input[1]
	} else {
		a := attributeOf(n, "scales")
		x, err := graph.FromSlice(a.GetFloats(), len(a.GetFloats()))
		if err != nil {
			return err
		}
		scales = c.constant(x)
		dropAttribute(n, "scales")
	}
	n.OpType = ptr("Resize")
	c.asymmetric(n, scales)
	return nil
}

func (c *opsetConverter) asymmetric(n *onnxpb.NodeProto, scales string) {
	roi := ""
	if c.to < 13 { // not yet optional
		roi = c.constant(graph.NewTensor(graph.Float32, 0))
	}
	n.Input = []string{n.Input[0], roi, scales}
	setString(n, "coordinate_transformation_mode", "asymmetric")
	if m := stringOf(n, "mode"); m == "" || m == "nearest" {
		setString(n, "nearest_mode", "floor")
	}
}

// oldResize: version 10 rounds positions down, and up where it makes images smaller.
func (c *opsetConverter) oldResize(n *onnxpb.NodeProto) error {
	c.asymmetric(n, n.Input[1])
	if stringOf(n, "nearest_mode") == "" {
		return nil
	}
	t := c.constants[n.Input[2]]
	if t == nil {
		return fmt.Errorf("its scales are computed, on which it depends how version 10 rounds")
	}
	x, err := toTensor(t, source{}, false)
	if err != nil {
		return err
	}
	scales, err := graph.Floats(x)
	if err != nil {
		return err
	}
	if least := slices.Min(scales); least < 1 {
		if slices.Max(scales) > 1 {
			return fmt.Errorf("it enlarges and reduces, for which version 10 rounds in two ways")
		}
		setString(n, "nearest_mode", "ceil")
	}
	return nil
}

func (c *opsetConverter) resize(n *onnxpb.NodeProto) error {
	if c.up(11) {
		return c.oldResize(n)
	}
	if c.down(13) {
		for i := 1; i < min(3, len(n.Input)); i++ {
			if n.Input[i] == "" {
				n.Input[i] = c.constant(graph.NewTensor(graph.Float32, 0))
			}
		}
	}
	if c.down(19) && stringOf(n, "coordinate_transformation_mode") == "half_pixel_symmetric" {
		return fmt.Errorf("half_pixel_symmetric came with version 19")
	}
	return nil
}

// dft: the axis is an attribute, by default 1, before version 20, and then an input, by default -2.
func (c *opsetConverter) dft(n *onnxpb.NodeProto) error {
	switch {
	case c.up(20):
		axis := int64(1)
		if a := attributeOf(n, "axis"); a != nil {
			axis = a.GetI()
		}
		dropAttribute(n, "axis")
		for len(n.Input) < 2 {
			n.Input = append(n.Input, "")
		}
		n.Input = append(n.Input, c.constant(graph.Scalar(axis)))
	case c.down(20):
		axis := []int64{-2}
		if len(n.Input) > 2 && n.Input[2] != "" {
			var ok bool
			if axis, ok = c.constantInts(n, 2); !ok || len(axis) != 1 {
				return fmt.Errorf("its axis is computed, which came with version 20")
			}
		}
		n.Input = n.Input[:min(2, len(n.Input))]
		n.Attribute = append(n.Attribute, intAttribute("axis", axis[0]))
	}
	return nil
}
