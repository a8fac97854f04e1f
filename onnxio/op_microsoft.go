package onnxio

import (
	"maps"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/owulveryck/onnx-go"
)

// The operators of this file are ONNX Runtime's own: those that its optimiser writes for floating-point networks.

// fusedActivations are the activations that ONNX Runtime fuses, and what its FusedConv calls their attributes by place.
var fusedActivations = map[string][]string{"Clip": {"min", "max"}, "Elu": {"alpha"}, "HardSigmoid": {"alpha", "beta"}, "LeakyRelu": {"alpha"}, "Relu": nil,
	"Selu": {"alpha", "gamma"}, "Sigmoid": nil, "Softplus": nil, "Softsign": nil, "Tanh": nil, "ThresholdedRelu": {"alpha"}}

// activated applies the attribute "activation" to v. attributes are those of the activation.
func (c *call) activated(v *graph.Value, attributes map[string]any) []*graph.Value {
	name := c.str("activation", "")
	if name == "" {
		return one(v)
	}
	if _, ok := fusedActivations[name]; !ok {
		c.failf("activation %q is unknown; it should be one of %v", name, slices.Sorted(maps.Keys(fusedActivations)))
	}
	n := &Node{Operation: onnx.Operation{Name: name, Attributes: attributes}, NodeName: c.NodeName, Version: minOpset}
	return c.t.registry[name].translate(&call{Node: n, t: c.t, scope: c.scope, in: one(v)})
}

// opFusedConv: a convolution, another value added to it, and an activation.
func opFusedConv(c *call) []*graph.Value {
	v := opConv(c)[0]
	if c.has(3) {
		v = c.apply(graph.Add{}, v, c.value(3))
	}
	attributes, params := map[string]any{}, must(c.Floats("activation_params", nil))
	for i, name := range fusedActivations[c.str("activation", "")] {
		if i < len(params) {
			attributes[name] = params[i]
		}
	}
	return c.activated(v, attributes)
}

// opFusedGemm: Gemm and an activation, whose attributes have "activation_" before their names.
func opFusedGemm(c *call) []*graph.Value {
	attributes := map[string]any{}
	for _, name := range []string{"alpha", "beta", "gamma"} {
		if c.Has("activation_" + name) {
			attributes[name] = c.float("activation_"+name, 0)
		}
	}
	return c.activated(opGemm(c)[0], attributes)
}

// opFusedMatMul: MatMul of operands that are transposed on demand, and a factor. transBatchA takes the rows from the first axis and not the last
// but one.
func opFusedMatMul(c *call) []*graph.Value {
	operand := func(i int, batch, trans string) *graph.Value {
		rank := c.rank(i)
		perm := allAxes(rank)
		if rank >= 2 && c.bool(batch, 0) {
			copy(perm, allAxes(rank - 1)[1:])
			perm[rank-2] = 0
		}
		if rank >= 2 && c.bool(trans, 0) {
			perm[rank-2], perm[rank-1] = perm[rank-1], perm[rank-2]
		}
		return c.transpose(c.value(i), perm...)
	}
	v := c.product(operand(0, "transBatchA", "transA"), operand(1, "transBatchB", "transB"))
	if alpha := c.float("alpha", 1); alpha != 1 {
		v = c.apply(graph.Mul{}, v, c.scalar(v.Type().DType, float64(alpha)))
	}
	return one(v)
}

// opMicrosoftGelu: Gelu, BiasGelu and FastGelu, which approximates with tanh. The last two may add a bias first.
func opMicrosoftGelu(c *call) []*graph.Value {
	x := c.value(0)
	if c.has(1) {
		x = c.apply(graph.Add{}, x, c.value(1))
	}
	mode := "none"
	if c.Name == "FastGelu" {
		mode = "tanh"
	}
	n := &Node{Operation: onnx.Operation{Name: "Gelu", Attributes: map[string]any{"approximate": mode}}, NodeName: c.NodeName, Version: 20}
	return opGelu(&call{Node: n, t: c.t, scope: c.scope, in: one(x)})
}

// opQuickGelu: x*sigmoid(alpha*x).
func opQuickGelu(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		return a.mul(a.x, a.apply(graph.Sigmoid{}, a.mul(a.x, a.number(float64(c.float("alpha", 1.702))))))
	})
}

// opSkipLayerNorm: LayerNormalization of the sum of the input, another value and a bias. The last output is the sum.
func opSkipLayerNorm(c *call) []*graph.Value {
	sum := c.apply(graph.Add{}, c.value(0), c.value(1))
	bias := 4
	if c.Name == "SkipSimplifiedLayerNormalization" { // has no beta
		bias = 3
	}
	if c.has(bias) {
		sum = c.apply(graph.Add{}, sum, c.value(bias))
	}
	if !slices.Equal(sum.Type().Shape, c.shape(0)) {
		c.failf("inputs %v and %v should be of one shape", c.value(0).Type(), c.value(1).Type())
	}
	in := []*graph.Value{sum, c.value(2)}
	if bias == 4 && c.has(3) {
		in = append(in, c.value(3))
	}
	n := *c.Node
	n.Attributes = map[string]any{"epsilon": c.float("epsilon", 1e-12)}
	outs := (&call{Node: &n, t: c.t, scope: c.scope, in: in}).layerNorm(graph.LayerNorm{RMS: bias == 3, Stash: graph.Float32}, sum)
	outs = append(outs, nil, nil, nil)
	outs[3] = sum
	return outs[:4]
}
