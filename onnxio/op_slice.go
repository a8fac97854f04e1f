package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// opSlice: starts, ends and axes were attributes before opset 10, which also added steps.
func opSlice(c *call) []*graph.Value {
	v := c.value(0)
	starts, ends := c.intsOr(1, "starts"), c.intsOr(2, "ends")
	axes, steps := c.intsOr(3, "axes"), c.intsOr(4, "steps")
	if axes == nil {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if steps == nil {
		steps = slices.Repeat([]int{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		c.failf("starts %v, ends %v, axes %v and steps %v should be equally long", starts, ends, axes, steps)
	}
	s := wholeSlice(v)
	c.axes(axes, len(s.Sizes))
	for i, a := range axes {
		a = c.axis(a, len(s.Sizes))
		if steps[i] == 0 {
			c.failf("the step along axis %d is 0", a)
		}
		s.Starts[a], s.Sizes[a], s.Steps[a] = sliceOf(s.Sizes[a], starts[i], ends[i], steps[i])
	}
	return one(c.slice(v, s))
}

// sliceOf returns the first position and the size of a slice of an axis of n, with bounds clamped as ONNX says, and its step.
func sliceOf(n, start, end, step int) (first, size, by int) {
	step = max(step, -math.MaxInt)
	lo, hi := 0, n // the bounds of what is clamped
	if step < 0 {
		lo, hi = -1, n-1
	}
	if start < 0 {
		start += n
	}
	if end < 0 {
		end += n
	}
	end = min(max(end, lo), hi)
	start = min(max(start, 0), hi)
	switch {
	case step > 0 && start < end:
		return start, (end-start-1)/step + 1, step
	case step < 0 && start > end:
		return start, (start-end-1)/-step + 1, step
	}
	return 0, 0, 1
}

// wholeSlice returns the slice that takes all of v.
func wholeSlice(v *graph.Value) graph.Slice {
	shape := v.Type().Shape
	return graph.Slice{Starts: make([]int, len(shape)), Sizes: slices.Clone(shape), Steps: slices.Repeat([]int{1}, len(shape))}
}

// slice adds s unless it takes all of v.
func (c *call) slice(v *graph.Value, s graph.Slice) *graph.Value {
	whole := wholeSlice(v)
	for k, n := range s.Sizes {
		if n == 1 {
			s.Steps[k] = 1
		}
	}
	if slices.Equal(s.Sizes, whole.Sizes) && slices.Equal(s.Steps, whole.Steps) {
		return v
	}
	return c.apply(s, v)
}

// opSplit: split was an attribute before opset 13; num_outputs came with opset 18, before which equal parts had to fit.
func opSplit(c *call) []*graph.Value {
	v := c.value(0)
	axis := c.axis(c.int("axis", 0), c.rank(0))
	n := c.shape(0)[axis]
	sizes := c.intsOr(1, "split")
	if sizes == nil {
		parts := c.int("num_outputs", len(c.Outputs))
		if parts < 1 || parts > max(len(c.Outputs), 1) || c.Version < 18 && n%parts != 0 {
			c.failf("axis %d of %v cannot be split into %d equal parts", axis, v.Type(), parts)
		}
		size := (n + parts - 1) / parts
		for i := range parts {
			sizes = append(sizes, max(0, min(size, n-i*size)))
		}
	}
	outs := make([]*graph.Value, len(sizes))
	at := 0
	for i, size := range sizes {
		if size < 0 || size > n-at {
			c.failf("parts %v do not add up to axis %d of %v", sizes, axis, v.Type())
		}
		s := wholeSlice(v)
		s.Starts[axis], s.Sizes[axis] = at, size
		outs[i] = c.slice(v, s)
		at += size
	}
	if at != n {
		c.failf("parts %v do not add up to axis %d of %v", sizes, axis, v.Type())
	}
	return outs
}
