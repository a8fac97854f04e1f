package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

func opTranspose(c *call) []*graph.Value {
	perm := c.ints("perm", nil)
	if !c.Has("perm") {
		for k := c.rank(0) - 1; k >= 0; k-- {
			perm = append(perm, k)
		}
	}
	return one(c.transpose(c.value(0), perm...))
}

// transpose adds a Transpose, or only a Reshape if no axis of more than one position changes its place among those.
func (c *call) transpose(v *graph.Value, perm ...int) *graph.Value {
	from := v.Type().Shape
	last, shape := -1, make([]int, len(perm))
	for k, p := range perm {
		if len(perm) != len(from) || p < 0 || p >= len(from) {
			return c.apply(graph.Transpose{Perm: perm}, v) // gives the error
		}
		shape[k] = from[p]
		if from[p] == 1 {
			continue
		}
		if p <= last {
			return c.apply(graph.Transpose{Perm: perm}, v)
		}
		last = p
	}
	if sorted := slices.Sorted(slices.Values(perm)); len(slices.Compact(sorted)) != len(perm) {
		return c.apply(graph.Transpose{Perm: perm}, v) // gives the error
	}
	return c.reshape(v, shape...)
}

// opDepthToSpace: opset 11 added mode.
func opDepthToSpace(c *call) []*graph.Value {
	return one(c.apply(graph.DepthToSpace{Block: c.int("blocksize", 0), ChannelsFirst: c.blockMode()}, c.value(0)))
}

// opSpaceToDepth: opset 28 added mode.
func opSpaceToDepth(c *call) []*graph.Value {
	return one(c.apply(graph.SpaceToDepth{Block: c.int("blocksize", 0), ChannelsFirst: c.blockMode()}, c.value(0)))
}

func (c *call) blockMode() (channelsFirst bool) {
	switch mode := c.str("mode", "DCR"); mode {
	case "DCR":
		return false
	case "CRD":
		return true
	default:
		c.failf("mode %q is unknown; it should be DCR or CRD", mode)
		return false
	}
}
