package onnxio

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// hostileAttrs are attributes of all operators, with values that some of them should refuse.
var hostileAttrs = map[string][]any{
	"axis": {-3, 0, 1, 9}, "block_size": {-1, 2, 1 << 40}, "q_num_heads": {0, 1, 2}, "kv_num_heads": {0, 1, 2}, "num_heads": {0, 2}, "is_causal": {1},
	"left_window_size": {0, 1 << 60}, "rotary_embedding_dim": {2, 7}, "interleaved": {1}, "hidden_size": {0, 2}, "direction": {"LEFT", "bidirectional"},
	"kernel_shape": {[]int{1}, []int{2, 2}, []int{1 << 40, 1}}, "strides": {[]int{0}, []int{1, 1}, []int{1 << 40, 2}}, "pads": {[]int{1, 1, 1, 1}, []int{-1 << 40, 0}},
	"dilations": {[]int{2, 2}, []int{0}}, "group": {0, 2}, "offset_group": {0, 2}, "to": {1, 6, 22, 99}, "output_dtype": {1, 22}, "axes": {[]int{0}, []int{7}},
	"num_scan_inputs": {1}, "batch_axis": {0}, "time_axis": {1}, "output_height": {2, 1 << 40}, "output_width": {2}, "sampling_ratio": {1 << 40},
	"k": {1, 1 << 62}, "onesided": {1}, "inverse": {1}, "reduction": {"sum", "none"}, "ignore_index": {-1 << 62}, "mode": {"linear", "circular", "max"},
	"equation": {"ij,jk->ik"}, "new_axis": {1}, "keepdims": {0}, "training_mode": {0}, "layout": {1}, "update_rule": {"linear", "delta"}, "dtype": {1, 22},
	"softmax_precision": {1, 10, 22}, "precision": {10, 22}, "output_datatype": {1, 6}, "perm": {[]int{1, 0}}, "size": {3}, "blocksize": {0, 2}, "num_groups": {0, 1},
	"activation": {"Relu", "Clip", "Nothing"}, "activation_params": {[]float32{}, []float32{1, 2}}, "transA": {1}, "transB": {1}, "transBatchA": {1}, "transBatchB": {1},
	"channels_last": {1}, "opset": {1, 13}, "alpha": {float32(0.5)},
}

// Operators refuse what does not fit, or compute something, and do not panic, for inputs of any number, type and shape.
func TestHostileOperators(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	types := []graph.DType{graph.Float32, graph.Float32, graph.Int64, graph.Int64, graph.Float16, graph.Bool, graph.Uint8, graph.Int8, graph.Int4, graph.Float8E5M2, graph.Float64}
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for _, op := range Operators() {
		for range rounds {
			if err := hostileRun(r, op.Name, types); err != nil {
				t.Errorf("%s: %v", op.Name, err)
				break
			}
		}
	}
}

// hostileRun runs one operator on random inputs, and returns an error if it panics.
func hostileRun(r *rand.Rand, op string, types []graph.DType) (err error) {
	var said string
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v, with %s\n%s", v, said, debug.Stack())
		}
	}()
	b := NewBuilder("hostile", []int{8, 13, 21, 25, 28}[r.IntN(5)])
	feed := map[string]*graph.Tensor{}
	var names []string
	common := types[r.IntN(len(types))]
	rank := r.IntN(6)
	for i := range r.IntN(8) {
		dt := common
		if r.IntN(3) == 0 {
			dt = types[r.IntN(len(types))]
		}
		own := rank
		if r.IntN(3) == 0 {
			own = r.IntN(6)
		}
		shape := make([]int, own)
		var dims []any
		for k := range shape {
			shape[k] = []int{1, 2, 2, 2, 4, 0, 3}[r.IntN(7)]
			dims = append(dims, shape[k])
		}
		x := graph.NewTensor(dt, shape...)
		if !dt.IsNarrow() && dt != graph.Bool {
			f := make([]float64, x.Len())
			for k := range f {
				f[k] = float64(r.IntN(7) - 2)
			}
			wide, err := graph.FromSlice(f, shape...)
			if err != nil {
				return err
			}
			x = wide.Converted(dt)
		}
		said += fmt.Sprintf("%v ", x.Type())
		name := fmt.Sprint("x", i)
		switch r.IntN(6) {
		case 0:
			name = ""
		case 1, 2:
			b.Init(name, x)
		default:
			b.Input(name, dt, dims...)
			feed[name] = x
		}
		names = append(names, name)
	}
	var attrs []Attr
	for name, values := range hostileAttrs {
		if r.IntN(4) == 0 {
			attrs = append(attrs, Attr{name, values[r.IntN(len(values))]})
		}
	}
	said += fmt.Sprint(attrs)
	domain, name := "", op
	if i := strings.LastIndexByte(op, '.'); i > 0 {
		domain, name = op[:i], op[i+1:]
		b.pb.OpsetImport = append(b.pb.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: &domain, Version: ptr(int64(1))})
	}
	b.Output("y", b.Node(name, names, attrs...), graph.Float32)
	b.pb.Graph.Node[0].Domain = &domain
	m, err := b.Model()
	if err != nil {
		return nil
	}
	p, err := NewProgram(m, nil)
	if err != nil {
		return err // the operator is not found
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = p.Run(ctx, feed)
	return nil
}
