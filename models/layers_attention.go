package models

import (
	"math"

	"github.com/gansr/gansr/graph"
)

// Attention works on tokens, images with channels last: [N, H, W, C]. Windows of tokens are [B, T, C], where B counts images, then windows by rows.

func (n *net) ints(v ...int) string { return n.constant(graph.Ints(v...)) }

// reshaped is x in another shape, where 0 keeps a dimension and -1 is what remains.
func (n *net) reshaped(x string, shape ...int) string {
	return n.b.Node("Reshape", []string{x, n.ints(shape...)})
}

// reshapedTo joins parts of a shape, tensors of whole numbers.
func (n *net) reshapedTo(x string, parts ...string) string {
	return n.b.Node("Reshape", []string{x, n.b.Node("Concat", parts, attr("axis", 0))})
}

func (n *net) transposed(x string, order ...int) string {
	return n.b.Node("Transpose", []string{x}, attr("perm", order))
}

// tokensOf puts the channels of an image last.
func (n *net) tokensOf(x string) string { return n.transposed(x, 0, 2, 3, 1) }

// imageOf puts the channels of tokens first.
func (n *net) imageOf(x string) string { return n.transposed(x, 0, 3, 1, 2) }

func (n *net) matMul(a, b string) string { return n.b.Node("MatMul", []string{a, b}) }

func (n *net) softmax(x string) string { return n.b.Node("Softmax", []string{x}, attr("axis", -1)) }

// parts divides x in equal parts along an axis.
func (n *net) parts(x string, count, axis int) []string {
	return n.b.Nodes("Split", count, []string{x}, attr("axis", axis))
}

// normal is what transformers draw the weights of linear layers and tables from.
func (n *net) normal(deviation float64) func() float32 {
	return func() float32 { return float32(deviation * n.rng.NormFloat64()) }
}

// linear is nn.Linear(in, out, bias) for the last axis.
func (n *net) linear(name, x string, in, out int, bias bool) string {
	y := n.matMul(x, n.transposed(n.weight(name+".weight", n.normal(0.02), out, in), 1, 0))
	if bias {
		y = n.add(y, n.weight(name+".bias", constant(0), out))
	}
	return y
}

// layerNorm is nn.LayerNorm(channels) for the last axis.
func (n *net) layerNorm(name, x string, channels int) string {
	inputs := []string{x, n.weight(name+".weight", constant(1), channels), n.weight(name+".bias", constant(0), channels)}
	return n.b.Node("LayerNormalization", inputs, attr("axis", -1), attr("epsilon", 1e-5))
}

// unit is F.normalize(x, dim=-1).
func (n *net) unit(x string) string {
	length := n.b.Node("ReduceL2", []string{x}, attr("axes", []int{-1}))
	return n.b.Node("Div", []string{x, n.b.Node("Max", []string{length, n.constant(graph.Scalar(float32(1e-12)))})})
}

// mlp is two linear layers with GELU between them.
func (n *net) mlp(name, x string, channels, hidden int) string {
	return n.linear(name+".fc2", n.gelu(n.linear(name+".fc1", x, channels, hidden, true)), hidden, channels, true)
}

// rolled is torch.roll of tokens by a number of rows and columns.
func (n *net) rolled(x string, down, right int) string {
	for i, by := range []int{down, right} {
		if by == 0 {
			continue
		}
		axis := i + 1
		piece := func(from, to int) string {
			return n.b.Node("Slice", []string{x, n.ints(from), n.ints(to), n.ints(axis)})
		}
		x = n.b.Node("Concat", []string{piece(-by, math.MaxInt64), piece(0, -by)}, attr("axis", axis))
	}
	return x
}

// windows divides tokens in windows whose sizes divide the image's: [B, height·width, channels].
func (n *net) windows(x string, height, width, channels int) string {
	x = n.reshaped(x, -1, height, 0, channels) // rows of windows
	x = n.reshaped(x, 0, 0, -1, width, channels)
	return n.reshaped(n.transposed(x, 0, 2, 1, 3, 4), -1, height*width, channels)
}

// heads divides the channels of windows: [B, heads, T, dim].
func (n *net) heads(x string, heads, dim int) string {
	return n.transposed(n.reshaped(x, 0, 0, heads, dim), 0, 2, 1, 3)
}

// keyHeads is heads with the last two axes exchanged, as a product with queries takes them.
func (n *net) keyHeads(x string, heads, dim int) string {
	return n.transposed(n.reshaped(x, 0, 0, heads, dim), 0, 2, 3, 1)
}

// attended is softmax(logits)·v with its heads joined: [B, T, heads·dim].
func (n *net) attended(logits, v string, heads, dim int) string {
	return n.reshaped(n.transposed(n.matMul(n.softmax(logits), v), 0, 2, 1, 3), 0, 0, heads*dim)
}

// positionBias reads a table of one row for each relative position: [heads, T, T'].
func (n *net) positionBias(table string, index *graph.Tensor) string {
	return n.transposed(n.b.Node("Gather", []string{table, n.constant(index)}), 2, 0, 1)
}

// relativePositions numbers the differences of the places of two tokens of a window.
func relativePositions(height, width int) *graph.Tensor {
	tokens := height * width
	t := graph.NewTensor(graph.Int64, tokens, tokens)
	for a := range tokens {
		for b := range tokens {
			down, right := a/width-b/width+height-1, a%width-b%width+width-1
			graph.Data[int64](t)[a*tokens+b] = int64(down*(2*width-1) + right)
		}
	}
	return t
}

// grid is the size of an image in the graph, which windows need.
type grid struct {
	n     *net
	size  string // height and width
	masks map[[4]int]string
}

// gridOf returns the size of an image [N, C, H, W].
func (n *net) gridOf(x string) *grid { return &grid{n, n.size(x), map[[4]int]string{}} }

// joined makes tokens of windows again.
func (g *grid) joined(x string, height, width, channels int) string {
	n := g.n
	count := n.b.Node("Div", []string{g.size, n.ints(height, width)})
	columns := n.b.Node("Slice", []string{count, n.ints(1), n.ints(2)})
	x = n.transposed(n.reshapedTo(x, n.ints(-1), columns, n.ints(height, width, channels)), 0, 2, 1, 3, 4)
	return n.reshapedTo(x, n.ints(-1), g.size, n.ints(channels))
}

// mask returns what is added to the logits of windows of an image that was shifted up and left: -100 for tokens that were not neighbours,
// [windows of an image, 1, T, T].
func (g *grid) mask(height, width, up, left int) string {
	key := [4]int{height, width, up, left}
	if m := g.masks[key]; m != "" {
		return m
	}
	n := g.n
	zero, one := n.constant(graph.Scalar(int64(0))), n.constant(graph.Scalar(int64(1)))
	region := func(axis, window, shift int) string {
		length := n.b.Node("Gather", []string{g.size, n.constant(graph.Scalar(int64(axis)))})
		at := n.b.Node("Range", []string{zero, length, one})
		last := func(count int) string {
			from := n.b.Node("Sub", []string{length, n.constant(graph.Scalar(int64(count)))})
			return n.b.Node("Cast", []string{n.b.Node("GreaterOrEqual", []string{at, from})}, attr("to", 7)) // int64
		}
		return n.add(last(window), last(shift))
	}
	rows := n.b.Node("Unsqueeze", []string{region(0, height, up), n.ints(1)})
	regions := n.add(n.mul(rows, n.constant(graph.Scalar(int64(3)))), region(1, width, left))
	regions = n.windows(n.b.Node("Unsqueeze", []string{regions, n.ints(0, 3)}), height, width, 1)
	same := n.b.Node("Equal", []string{regions, n.transposed(regions, 0, 2, 1)})
	m := n.b.Node("Where", []string{same, n.constant(graph.Scalar(float32(0))), n.constant(graph.Scalar(float32(-100)))})
	g.masks[key] = n.b.Node("Unsqueeze", []string{m, n.ints(1)})
	return g.masks[key]
}

// masked adds a mask to logits [B, heads, T, T] of the windows of several images.
func (g *grid) masked(logits, mask string, heads, tokens int) string {
	n := g.n
	count := n.b.Node("Slice", []string{n.b.Node("Shape", []string{mask}), n.ints(0), n.ints(1)})
	logits = n.add(n.reshapedTo(logits, n.ints(-1), count, n.ints(heads, tokens, tokens)), mask)
	return n.reshaped(logits, -1, heads, tokens, tokens)
}

// shifted divides tokens in windows after a shift up and left by half a window if shift says so, lets attend work on them with the mask that
// then belongs to them ("" without a shift), and puts its result back.
func (g *grid) shifted(x string, window, channels int, shift bool, attend func(x, mask string) string) string {
	by, mask := 0, ""
	if shift {
		by = window / 2
		mask = g.mask(window, window, by, by)
	}
	x = attend(g.n.windows(g.n.rolled(x, -by, -by), window, window, channels), mask)
	return g.n.rolled(g.joined(x, window, window, channels), by, by)
}
