package onnxio

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
)

// Wrong attributes and operands are errors that say what is wrong, whatever they hold.
func TestDataOperatorErrors(t *testing.T) {
	const most, least = math.MaxInt, math.MinInt
	x := floats(t, make([]float32, 6), 2, 3)
	one := graph.Scalar(int64(1))
	for _, c := range []struct {
		op     string
		opset  int
		inputs []*graph.Tensor // the first is fed, the others are constants
		attrs  []Attr
		want   string
	}{
		{"Slice", 13, []*graph.Tensor{x, graph.Ints(0), graph.Ints(1), graph.Ints(5)}, nil, "axis 5 is outside of 2 dimensions"},
		{"Slice", 13, []*graph.Tensor{x, graph.Ints(0), graph.Ints(1), graph.Ints(0), graph.Ints(0)}, nil, "step along axis 0 is 0"},
		{"Slice", 13, []*graph.Tensor{x, graph.Ints(0, 0), graph.Ints(1)}, nil, "equally long"},
		{"Slice", 13, []*graph.Tensor{x, graph.Ints(0, 0), graph.Ints(1, 1), graph.Ints(1, -1)}, nil, "one axis twice"},
		{"Split", 13, []*graph.Tensor{x, graph.Ints(most, 2)}, nil, "do not add up"},
		{"Split", 13, []*graph.Tensor{x, graph.Ints(1)}, nil, "do not add up"},
		{"Split", 18, []*graph.Tensor{x}, []Attr{{"num_outputs", most}}, "equal parts"},
		{"Pad", 13, []*graph.Tensor{x, graph.Ints(1, 1)}, nil, "two for each of the axes"},
		{"Pad", 13, []*graph.Tensor{x, graph.Ints(-3, 0, 0, 0)}, nil, "remove more than axis 0"},
		{"Pad", 13, []*graph.Tensor{x, graph.Ints(least, 0, least, 0)}, nil, "remove more than axis 0"},
		{"Pad", 13, []*graph.Tensor{x, graph.Ints(most, 0, most, 0)}, nil, "positions before"},
		{"Pad", 13, []*graph.Tensor{x, graph.Ints(1, 0, 0, 0)}, []Attr{{"mode", "mirror"}}, `mode "mirror" is unknown`},
		{"Flatten", 13, []*graph.Tensor{x}, []Attr{{"axis", 3}}, "axis 3 is outside"},
		{"Squeeze", 13, []*graph.Tensor{x, graph.Ints(0)}, nil, "does not have one position"},
		{"Unsqueeze", 13, []*graph.Tensor{x, graph.Ints(0, 0)}, nil, "one axis twice"},
		{"Unsqueeze", 11, []*graph.Tensor{x}, nil, "axes are missing"},
		{"Reshape", 14, []*graph.Tensor{x, graph.Ints(-1, -1)}, nil, "but one -1"},
		{"Reshape", 14, []*graph.Tensor{x, graph.Ints(most, most, -1)}, nil, "does not fit"},
		{"Reshape", 14, []*graph.Tensor{x, graph.Ints(0, 0, 0)}, nil, "does not have"},
		{"Transpose", 13, []*graph.Tensor{x}, []Attr{{"perm", []int{0, 0}}}, "not an order"},
		{"Transpose", 13, []*graph.Tensor{x}, []Attr{{"perm", []int{0, most}}}, "not an order"},
		{"Expand", 13, []*graph.Tensor{x, graph.Ints(4, 3)}, nil, "cannot be broadcast"},
		{"Expand", 13, []*graph.Tensor{x, graph.Ints(most, 1, 1)}, nil, "not possible"},
		{"Tile", 13, []*graph.Tensor{x, graph.Ints(-1, 2)}, nil, "not possible"},
		{"Tile", 13, []*graph.Tensor{x, graph.Ints(1<<40, 1)}, nil, "too large"},
		{"Gather", 13, []*graph.Tensor{x, one}, []Attr{{"axis", 2}}, "axis 2 is outside"},
		{"Gather", 13, []*graph.Tensor{x, graph.Ints(2)}, nil, "index 2 is outside of an axis of 2"},
		{"GatherElements", 13, []*graph.Tensor{x, graph.Ints(1)}, nil, "as many axes"},
		{"GatherND", 13, []*graph.Tensor{x, graph.Ints(0, 0, 0)}, nil, "do not fit"},
		{"GatherND", 13, []*graph.Tensor{x, graph.Ints(0)}, []Attr{{"batch_dims", 1}}, "do not fit"},
		{"ScatterND", 18, []*graph.Tensor{x, graph.Ints(0), x}, nil, "do not fit"},
		{"ScatterElements", 18, []*graph.Tensor{x, ofInts(t, []int64{0}, 1, 1), floats(t, []float32{1}, 1, 1)}, []Attr{{"reduction", "mean"}}, `reduction "mean" is unknown`},
		{"ConstantOfShape", 9, []*graph.Tensor{graph.Ints(1<<20, 1<<20)}, nil, "not possible"},
		{"ConstantOfShape", 9, []*graph.Tensor{graph.Ints(-1)}, nil, "not possible"},
		{"Range", 11, []*graph.Tensor{one, one, graph.Scalar(int64(0))}, nil, "steps of 0"},
		{"Range", 11, []*graph.Tensor{graph.Scalar(int64(math.MinInt64)), graph.Scalar(int64(math.MaxInt64)), one}, nil, "would have 18446744073709551615 elements"},
		{"Range", 11, []*graph.Tensor{graph.Scalar(float32(0)), graph.Scalar(float32(math.NaN())), graph.Scalar(float32(1))}, nil, "NaN elements"},
		{"Range", 11, []*graph.Tensor{one, one, x}, nil, "one element of the same type"},
		{"DepthToSpace", 13, []*graph.Tensor{x}, []Attr{{"blocksize", 2}}, "N x C x H x W"},
		{"DepthToSpace", 13, []*graph.Tensor{floats(t, nil, 1, 0, 2, 2)}, []Attr{{"blocksize", 0}}, "blocks of 0"},
		{"SpaceToDepth", 13, []*graph.Tensor{floats(t, nil, 1, 0, 2, 2)}, []Attr{{"blocksize", 3}}, "blocks of 3"},
		{"TopK", 11, []*graph.Tensor{x, graph.Ints(4)}, nil, "no 4 largest"},
		{"TopK", 11, []*graph.Tensor{x, graph.Ints(-1)}, nil, "no -1 largest"},
		{"Trilu", 14, []*graph.Tensor{graph.Ints(1)}, nil, "two or more axes"},
		{"MatMul", 13, []*graph.Tensor{x, x}, nil, "do not fit"},
		{"MatMul", 13, []*graph.Tensor{x, graph.Scalar(float32(1))}, nil, "two or more axes"},
		{"Gemm", 13, []*graph.Tensor{x, floats(t, make([]float32, 3), 3)}, nil, "should be matrices"},
		{"Gemm", 13, []*graph.Tensor{x, floats(t, make([]float32, 3), 3, 1), floats(t, make([]float32, 4), 2, 2)}, nil, "cannot be added to the product"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "ij,j->i"}}, "is for 2 operands, not 1"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "ijk->i"}}, "does not fit 2 axes"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "i->i"}}, "does not fit 2 axes"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "i1->i"}}, "should be letters"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "......->i"}}, "does not fit"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "ij->ik"}}, "labels of the operands"},
		{"Einsum", 12, []*graph.Tensor{x}, []Attr{{"equation", "ii->i"}}, "should have 2 positions"},
		{"Cast", 19, []*graph.Tensor{x}, []Attr{{"to", 8}}, "string are not supported"},
	} {
		b := NewBuilder("test", c.opset)
		var names []string
		var dims []any
		for _, d := range c.inputs[0].Shape() {
			dims = append(dims, d)
		}
		names = append(names, b.Input("x", c.inputs[0].DType(), dims...))
		for i, in := range c.inputs[1:] {
			names = append(names, b.Init(string(rune('a'+i)), in))
		}
		b.Output("y", b.Node(c.op, names, c.attrs...), graph.Float32)
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewProgram(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(context.Background(), map[string]*graph.Tensor{"x": c.inputs[0]})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: error %v, want it to say %q", c.op, c.attrs, err, c.want)
		}
	}
}

func TestDropoutInTraining(t *testing.T) {
	b := NewBuilder("dropout", 13)
	in := []string{b.Input("x", graph.Float32, 2), b.Init("ratio", graph.Scalar(float32(0.5))), b.Init("training", graph.Scalar(true))}
	b.Output("y", b.Node("Dropout", in), graph.Float32, 2)
	_, err := program(t, b).Run(context.Background(), map[string]*graph.Tensor{"x": graph.NewTensor(graph.Float32, 2)})
	if !errors.Is(err, ErrTraining) {
		t.Errorf("got %v, want ErrTraining", err)
	}
}
