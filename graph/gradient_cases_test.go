package graph

import (
	"fmt"
	"slices"
)

func elementwiseCases() []gradientCase {
	x, p := around(2, 3, 2), positive(2, 3, 2)
	cases := []gradientCase{
		of(Abs{}, x), of(Exp{}, x), of(Log{}, p), of(Sqrt{}, p), of(Sin{}, x), of(Cos{}, x), of(Neg{}, x), of(Sigmoid{}, x), of(Tanh{}, x),
		of(Softplus{}, x), of(Erf{}, x), of(Gelu{}, x), of(Elu{Alpha: 1.3}, x), of(Relu{}, x), of(PRelu{}, x, fixedFloats(-0.5, 0.3)), of(Sign{}, x), of(Floor{}, x),
		of(Clip{}, x, number64(-0.5), number64(0.6)), of(Clip{}, x, operand{[]int{1}, -0.45, -0.4, nil}, operand{[]int{}, 0.5, 0.6, nil}),
		of(PRelu{}, x, number64(0.01)), of(PRelu{}, x, around(3, 1)), of(PRelu{}, x, around(2, 3, 2)), of(PRelu{}, x, around(2)),
		of(Gate{}, x, x, around(3, 1)), of(Mod{}, x, operand{[]int{3, 1}, 0.31, 0.46, nil}), of(Mod{Truncated: true}, x, operand{[]int{2}, -0.46, 0.31, nil}),
		of(Pow{}, p, number64(2)), of(Pow{}, p, number64(-0.5)), of(Pow{}, p, around(3, 1)), of(Pow{}, around(4), number64(3)),
		of(Where{}, fixed(&Tensor{Bool, []int{3, 1}, []bool{true, false, true}}), x, around(2, 1, 2)),
	}
	inner := operand{[]int{2, 3}, -0.8, 0.7, nil}
	for _, name := range []string{"tan", "sinh", "cosh", "asin", "acos", "atan", "asinh", "atanh"} {
		cases = append(cases, of(Trigonometric{name}, inner))
	}
	cases = append(cases, of(Trigonometric{"acosh"}, operand{[]int{2, 3}, 1.2, 3, nil}))
	for _, op := range []Operator{Add{}, Sub{}, Mul{}, Div{}, Max{}, Min{}} {
		for _, shape := range [][]int{{}, {2}, {3, 1}, {2, 1, 2}, {2, 3, 2}} {
			cases = append(cases, of(op, x, operand{shape, 0.5, 1.6, nil}), of(op, operand{shape, -0.5, 0.45, nil}, p))
		}
		cases = append(cases, gradientCase{op.Name() + " of the same", []operand{p}, func(b *Builder, in []*Value) ([]*Value, error) { return b.Apply(op, in[0], in[0]) }})
	}
	return cases
}

func moveCases() []gradientCase {
	x := around(2, 3, 4)
	pad := func(m PadMode) gradientCase { return of(Pad{Mode: m, Begin: []int{0, 1, 2}, End: []int{1, 2, 0}}, x) }
	return []gradientCase{
		of(Reshape{Shape: []int{4, 6}}, x), of(Transpose{Perm: []int{2, 0, 1}}, x), of(Expand{Shape: []int{3, 2, 3, 2}}, around(2, 1, 1)),
		of(Concat{Axis: 1}, around(2, 1, 2), around(2, 3, 2), around(2, 2, 2)), of(Trilu{K: 1}, x), of(Trilu{Upper: true}, x),
		of(Slice{Starts: []int{1, 2, 3}, Sizes: []int{1, 2, 2}, Steps: []int{1, -1, -2}}, x),
		of(Slice{Starts: []int{0, 0, 1}, Sizes: []int{2, 2, 3}, Steps: []int{1, 2, 1}}, x),
		of(Embed{Slice{Starts: []int{1, 2, 0}, Sizes: []int{1, 2, 2}, Steps: []int{3, -2, 2}}, []int{2, 3, 4}}, around(1, 2, 2)),
		of(Gather{Axis: 1}, x, indices([]int{2, 2}, 0, -1, 2, 2)), of(ScatterSum{Axis: 1, Size: 4}, around(2, 3, 2), indices([]int{3}, 3, 1, 3)),
		of(GatherElements{Axis: 2}, x, indices([]int{1, 2, 3}, 0, 0, 3, -1, 1, 2)),
		of(ScatterElementsSum{Axis: 0, Shape: []int{3, 3}}, around(2, 3), indices([]int{2, 3}, 0, 2, 0, 0, 1, 1)),
		of(ScatterElements{Axis: 1, Reduction: ReduceNone}, around(2, 4), indices([]int{2, 2}, 0, 3, 2, -1), around(2, 2)),
		of(ScatterElements{Axis: 0, Reduction: ReduceAdd}, around(3, 2), indices([]int{2, 2}, 0, 2, 0, 1), around(2, 2)),
		of(ScatterND{ReduceNone}, x, indices([]int{2, 2}, 0, 2, 1, 0), around(2, 4)), of(ScatterND{ReduceAdd}, x, indices([]int{2, 1}, 1, 1), around(2, 3, 4)),
		of(GatherND{}, x, indices([]int{2, 2}, 0, 2, 0, 2)), of(GatherND{BatchDims: 1}, x, indices([]int{2, 2, 1}, 0, 2, 1, 1)),
		of(DepthToSpace{Block: 2}, around(1, 8, 1, 2)), of(DepthToSpace{Block: 2, ChannelsFirst: true}, around(1, 8, 1, 2)),
		of(SpaceToDepth{Block: 2}, around(1, 2, 2, 4)), of(SpaceToDepth{Block: 2, ChannelsFirst: true}, around(1, 2, 2, 4)),
		pad(PadConstant), pad(PadEdge), pad(PadReflect), pad(PadWrap),
		of(Pad{Mode: PadConstant, Begin: []int{0, 1, 2}, End: []int{1, 2, 0}}, x, around(1)),
		of(Pad{Mode: PadReflect, Begin: []int{3}, End: []int{5}}, around(2)),
	}
}

func sumCases() []gradientCase {
	x := around(2, 3, 4)
	cases := []gradientCase{
		of(TopK{Axis: 1, K: 2}, x), of(TopK{Axis: 2, K: 4, Smallest: true}, x),
		of(CumSum{Axis: 1}, x), of(CumProd{Axis: 1}, x), of(CumProd{Axis: 2, Exclusive: true, Reverse: true}, x), of(CumProd{Axis: 0}, around(5, 2)), of(CumSum{Axis: 2, Exclusive: true, Reverse: true}, x),
		of(MatMul{}, around(3, 2), around(2, 4)), of(MatMul{TransA: true}, around(2, 3), around(2, 4)), of(MatMul{TransB: true}, around(3, 2), around(4, 2)),
		of(MatMul{TransA: true, TransB: true}, around(2, 3), around(4, 2)),
		of(MatMul{}, around(2, 2, 3, 2), around(2, 4)), of(MatMul{TransA: true}, around(2, 2, 3), around(2, 4)), of(MatMul{TransB: true}, around(2, 3, 2), around(4, 2)),
		of(MatMul{}, around(2, 3, 2), around(3, 1, 2, 4)), of(MatMul{TransB: true}, around(3, 2), around(2, 4, 2)),
	}
	for _, axes := range [][]int{nil, {1}, {0, 2}, {2, 1, 0}} {
		for _, by := range []Reduction{ReduceAdd, ReduceMean, ReduceMax, ReduceMin, ReduceL2, ReduceMul} {
			cases = append(cases, of(Reduce{by, axes}, x))
		}
	}
	for axis := range 3 {
		cases = append(cases, of(Softmax{Axis: axis}, x), of(Softmax{Axis: axis, Log: true}, x))
	}
	// A mean of means keeps gradients thin on their way.
	return append(cases, gradientCase{"thin gradients", []operand{around(2, 3, 2, 2), around(3, 2, 2)}, func(b *Builder, in []*Value) ([]*Value, error) {
		v := in[0]
		err := b.compose(func(c composer) error {
			v = c.reshape(c.mul(v, in[1]), 2, 3, 4)
			v = c.apply(Transpose{Perm: []int{0, 2, 1}}, c.add(v, v))
			v = c.apply(Reduce{ReduceMean, []int{1}}, v)
			v = c.sum(c.expand(c.mul(v, v), []int{2, 2, 5, 3}), 1, 3)
			v = c.reshape(c.apply(Reduce{ReduceMean, []int{0, 1, 2, 3}}, v), 1)
			return nil
		})
		return []*Value{v}, err
	}})
}

func convCases() []gradientCase {
	conv := func(strides, dilations, pads []int, groups int, in ...operand) []gradientCase {
		return []gradientCase{of(Conv{strides, dilations, pads, groups}, in...)}
	}
	cases := slices.Concat(
		conv([]int{1, 1}, []int{1, 1}, []int{1, 1, 1, 1}, 1, around(2, 2, 4, 3), around(3, 2, 3, 3), around(3)),
		conv([]int{2, 2}, []int{1, 1}, []int{2, 2, 2, 2}, 1, around(1, 2, 6, 5), around(2, 2, 5, 5)),
		conv([]int{2, 3}, []int{1, 2}, []int{0, 1, 2, 0}, 1, around(1, 1, 5, 7), around(2, 1, 2, 3), around(2)),
		conv([]int{1, 1}, []int{2, 1}, []int{1, 0, 0, 2}, 2, around(1, 4, 4, 4), around(4, 2, 2, 3)),
		conv([]int{2, 1}, []int{1, 1}, []int{1, 1, 1, 1}, 3, around(2, 3, 4, 4), around(3, 1, 3, 3), around(3)), // depthwise
		conv([]int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}, 1, around(2, 3, 2, 2), around(4, 3, 1, 1)),
		conv([]int{1, 1}, []int{1, 1}, []int{-1, 0, 0, -1}, 1, around(1, 1, 4, 4), around(1, 1, 2, 2)),
		conv([]int{2}, []int{2}, []int{1, 2}, 1, around(2, 2, 7), around(2, 2, 3), around(2)),
		conv([]int{1, 2, 1}, []int{1, 1, 2}, []int{0, 1, 1, 1, 0, 1}, 1, around(1, 1, 2, 4, 4), around(2, 1, 2, 2, 2), around(2)),
		conv([]int{1, 1}, []int{1, 1}, []int{4, 4, 4, 4}, 1, around(1, 1, 2, 2), around(1, 1, 3, 3)), // taps that meet pads alone
	)
	transposed := func(strides, dilations, pads, outPads []int, groups int, in ...operand) {
		cases = append(cases, of(ConvTranspose{strides, dilations, pads, outPads, groups}, in...))
	}
	transposed([]int{2, 2}, []int{1, 1}, []int{1, 1, 1, 1}, []int{1, 0}, 1, around(1, 2, 3, 2), around(2, 3, 3, 3), around(3))
	transposed([]int{1, 1}, []int{1, 2}, []int{0, 0, 1, 1}, []int{0, 0}, 2, around(2, 4, 2, 3), around(4, 1, 2, 2), around(2))
	transposed([]int{2, 3}, []int{1, 1}, []int{0, 0, 0, 0}, []int{4, 1}, 1, around(1, 1, 2, 2), around(1, 2, 2, 2))
	transposed([]int{3}, []int{1}, []int{-1, -2}, []int{0}, 1, around(1, 2, 3), around(2, 2, 4))
	transposed([]int{2, 1, 1}, []int{1, 1, 1}, make([]int, 6), make([]int, 3), 1, around(1, 1, 2, 2, 2), around(1, 1, 2, 2, 1))
	return append(cases,
		of(ConvWeights{Conv{[]int{2, 1}, []int{1, 1}, []int{1, 1, 0, 1}, 2}, []int{2, 3}}, around(2, 4, 3, 3), around(2, 2, 2, 3)),
		of(ConvWeights{Conv{[]int{1}, []int{1}, []int{0, 0}, 1}, []int{2}}, around(2, 2, 4), around(2, 3, 3)))
}

func normCases() []gradientCase {
	x := around(2, 4, 2, 3)
	cases := []gradientCase{
		of(Moments{Axes: []int{0, 2, 3}}, x), of(Moments{Axes: []int{3}}, x), of(Moments{Axes: []int{0, 1}}, around(3, 2, 2)),
		of(BatchNorm{1e-2}, x, around(4), around(4), around(4), positive(4)), of(BatchNorm{1e-2}, around(3, 2), around(2), around(2), around(2), positive(2)),
		of(GroupNorm{2, 1e-2}, x, around(4), around(4)), of(GroupNorm{4, 1e-2}, x, around(4), around(4)),
		of(LayerNorm{Axis: 1, Epsilon: 1e-2, Stash: Float64}, around(2, 3, 2), around(3, 2), around(3, 2)),
		of(LayerNorm{Axis: 2, Epsilon: 1e-2, Stash: Float64}, around(2, 2, 4)), of(LayerNorm{Axis: 1, Epsilon: 1e-2, RMS: true}, around(3, 4), around(4)),
	}
	cases = append(cases, of(LRN{Size: 3, Alpha: 0.5, Beta: 0.75, Bias: 1.2}, around(2, 4, 3)), of(LRN{Size: 2, Alpha: 0.5, Beta: 0.5, Bias: 1}, around(1, 5, 2, 2)))
	for _, shape := range [][]int{{2, 2, 2, 2}, {4, 2}} {
		cases = append(cases, gradientCase{fmt.Sprintf("BatchNormTraining%v", shape), operands(around(shape...), around(2), around(2), around(2), positive(2)),
			func(b *Builder, in []*Value) ([]*Value, error) {
				y, mean, variance, err := b.BatchNormTraining(BatchStatistics{1e-2, 0.9, true}, in[0], in[1], in[2], in[3], in[4])
				return []*Value{y, mean, variance}, err
			}})
	}
	return cases
}

func poolCases() []gradientCase {
	var cases []gradientCase
	for _, c := range []struct {
		s  Sliding
		in operand
	}{
		{Sliding{[]int{2, 2}, []int{2, 2}, []int{1, 1}, make([]int, 4), false}, around(2, 2, 4, 4)},
		{Sliding{[]int{3, 2}, []int{1, 2}, []int{1, 1}, []int{1, 1, 1, 0}, false}, around(1, 2, 4, 5)},
		{Sliding{[]int{3, 3}, []int{2, 2}, []int{1, 1}, []int{0, 1, 0, 1}, true}, around(1, 1, 6, 4)},
		{Sliding{[]int{2}, []int{1}, []int{2}, []int{2, 1}, false}, around(2, 1, 5)},
		{Sliding{[]int{2, 1, 2}, []int{1, 1, 2}, []int{1, 1, 1}, make([]int, 6), false}, around(1, 1, 2, 2, 4)},
		{Sliding{[]int{2}, []int{3}, []int{1}, []int{3, 0}, false}, around(1, 1, 5)}, // the first window covers nothing
	} {
		cases = append(cases, of(AveragePool{c.s, false}, c.in), of(AveragePool{c.s, true}, c.in))
		if c.s.Strides[0] < 3 {
			cases = append(cases, of(MaxPool{Sliding: c.s}, c.in))
			if t, err := (MaxPool{Sliding: c.s}).Infer([]Type{{Float64, c.in.shape}}); err == nil {
				cases = append(cases, of(MaxPoolGradient{c.s}, c.in, around(t[0].Shape...)))
			}
		}
	}
	for _, p := range []int{1, 2, 3, 4} {
		cases = append(cases, of(LpPool{Sliding{[]int{2, 2}, []int{1, 2}, []int{1, 1}, []int{1, 0, 0, 1}, false}, p}, around(2, 2, 3, 4)))
	}
	cases = append(cases, of(LpPool{Sliding{[]int{3}, []int{2}, []int{1}, []int{0, 0}, true}, 2}, around(1, 2, 6)))
	return append(cases, of(MaxPool{Sliding: Sliding{[]int{2, 2}, []int{1, 1}, []int{1, 1}, make([]int, 4), false}, Indices: true, ColumnMajor: true}, around(1, 2, 3, 3)))
}

func resizeCases() []gradientCase {
	var cases []gradientCase
	add := func(r Resize, in ...int) {
		for k, n := range in {
			r.Scales = append(r.Scales, float64(r.Sizes[k])/float64(n))
		}
		cases = append(cases, of(r, around(in...)), of(ResizeTransposed{r, in}, around(r.Sizes...)))
	}
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for _, coordinates := range []string{"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"} {
			for _, sizes := range [][]int{{1, 2, 6, 6}, {1, 2, 5, 2}, {1, 2, 2, 7}} {
				add(Resize{Sizes: sizes, Mode: mode, Coordinates: coordinates, Nearest: "round_prefer_floor", CubicA: -0.75}, 1, 2, 3, 4)
			}
		}
	}
	add(Resize{Sizes: []int{1, 1, 2, 3}, Mode: "cubic", Coordinates: "half_pixel", CubicA: -0.5, Antialias: true}, 1, 1, 5, 6)
	add(Resize{Sizes: []int{1, 1, 2, 3}, Mode: "linear", Coordinates: "half_pixel", Antialias: true, ExcludeOutside: true}, 1, 1, 5, 6)
	add(Resize{Sizes: []int{3, 5}, Mode: "linear", Coordinates: "tf_crop_and_resize", Roi: []float64{-0.2, 0.8, 1.3, 0.1}, Extrapolation: 7}, 4, 4)
	for _, padding := range []string{"zeros", "border", "reflection"} {
		for _, align := range []bool{false, true} {
			beyond := operand{[]int{2, 2, 3, 2}, -1.83, 1.77, nil}
			cases = append(cases, of(GridSample{Mode: "linear", Padding: padding, AlignCorners: align}, around(2, 2, 3, 4), beyond),
				of(GridSample{Mode: "cubic", Padding: padding, AlignCorners: align}, around(2, 2, 3, 4), beyond),
				of(GridSample{Mode: "nearest", Padding: padding, AlignCorners: align}, around(2, 1, 3, 4), beyond))
		}
	}
	cases = append(cases, of(GridSample{Mode: "linear", Padding: "border"}, around(1, 2, 4), operand{[]int{1, 5, 1}, -1.2, 1.1, nil}),
		of(GridSample{Mode: "linear", Padding: "zeros", Pixels: true}, around(1, 2, 3, 4), operand{[]int{1, 2, 3, 2}, -1.23, 3.77, nil}))
	add(Resize{Sizes: []int{5}, Mode: "cubic", Coordinates: "half_pixel", CubicA: -0.75}, 3)
	return cases
}
