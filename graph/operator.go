package graph

import (
	"context"
	"fmt"

	"github.com/gansr/gansr/internal/kernel"
)

// Operator computes tensors from tensors. It is a struct of plain attributes (numbers, strings and
// slices of them): its printed form tells two applications apart, so it holds neither pointers nor tensors.
// What decides the shape of a result is an attribute; operands only hold data.
type Operator interface {
	// Name returns the operator's name, such as "Conv".
	Name() string
	// Infer returns the types of the results, or an error that says which operand is wrong.
	Infer(in []Type) ([]Type, error)
	// Eval computes the results. It writes every element of out, whose tensors have the inferred types and
	// unspecified contents, and leaves in as it is. Float16 and bfloat16 operands come as float32 unless
	// the operator is a HalfAware one.
	Eval(x *Exec, out, in []*Tensor) error
}

// HalfAware marks operators that move or compare elements of any type, or handle the 16-bit floating-point types themselves.
type HalfAware interface{ halfAware() }

// mover can be embedded by operators that only move elements.
type mover struct{}

func (mover) halfAware() {}

// Viewer marks operators whose one result is the first operand's memory under another shape.
type Viewer interface{ view() }

// inPlacer is implemented by operators that may write their first result over an operand of the same type.
type inPlacer interface {
	// inPlace returns the indices of those operands.
	inPlace() []int
}

// fusible is implemented by operators that can be applied to a convolution's results as they are stored.
type fusible interface {
	// stage returns the epilogue stage when operand i comes from the convolution (N x C x spatial). For an Add stage
	// residual is the index of the other operand, otherwise -1.
	stage(in []*Value, i int) (s kernel.Stage, residual int, ok bool)
}

// preparer is implemented by operators that do work once for a session, such as packing weights.
type preparer interface {
	// prepares reports whether prepare can handle these operands.
	prepares(in []*Value) bool
	prepare(w *Weights, in []*Value, out []Type, ep kernel.Epilogue) (prepared, error)
}

// prepared is an operator made ready for given operands.
type prepared interface {
	// workspace returns the float32 elements of scratch memory that eval needs.
	workspace(threads int) int
	// eval computes the results; res are the operands of the epilogue's Add stages.
	eval(x *Exec, out, in, res []*Tensor) error
}

// Coster is implemented by operators whose arithmetic matters.
type Coster interface {
	// FLOPs returns the floating-point operations of one evaluation, a multiply-add counting two.
	FLOPs(in, out []Type) int64
}

// Exec is what an operator may use while it runs.
type Exec struct {
	Context context.Context
	Pool    *kernel.Pool // nil: the calling goroutine alone
	Scratch []float32    // at least as long as the prepared operator's workspace
	window  *Window
}

// Window says which part of a whole image a tile is, in pixels of the network's input, for operators that work in
// coordinates of the whole image.
type Window struct {
	Y, X           int // the tile's top left corner
	H, W           int // the tile's size
	ImageH, ImageW int // the whole image's size
}

// spatial returns, for an axis (0: H, 1: W) of an intermediate result that has n positions in this tile, the
// tile's first position and the number of positions in the whole image's result.
func (x *Exec) spatial(axis, n int) (first, whole float64) {
	w := x.window
	if w == nil || w.H < 1 || w.W < 1 {
		return 0, float64(n)
	}
	if axis == 0 {
		r := float64(n) / float64(w.H)
		return float64(w.Y) * r, float64(w.ImageH) * r
	}
	r := float64(n) / float64(w.W)
	return float64(w.X) * r, float64(w.ImageW) * r
}

// parallel splits [0, n) into ranges of about grain elements and runs f on them.
func (x *Exec) parallel(n, grain int, f func(lo, hi int)) {
	if n <= grain || x.Pool == nil || x.Pool.Threads() == 1 {
		if n > 0 {
			f(0, n)
		}
		return
	}
	parts := (n + grain - 1) / grain
	x.Pool.Run(parts, func(_, i int) { f(i*n/parts, (i+1)*n/parts) })
}

// wantOperands returns an error unless there are between lo and hi operands.
func wantOperands(op string, in []Type, lo, hi int) error {
	if len(in) < lo || len(in) > hi {
		return fmt.Errorf("%s takes %d to %d operands, not %d", op, lo, hi, len(in))
	}
	return nil
}
