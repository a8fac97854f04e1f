package graph

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gansr/gansr/internal/kernel"
)

// blockedOf is an image in blocks, with other finite numbers in channels that fill them.
func blockedOf(x *Tensor, filler float32) *Tensor {
	s, lanes := x.shape, kernel.Lanes()
	b := NewTensor(Float32, blockedType(x.Type()).Shape...)
	kernel.Block(nil, Data[float32](b), Data[float32](x), s[0], s[1], s[2]*s[3])
	area := s[2] * s[3]
	for i := range Data[float32](b) {
		if i/area/lanes%b.shape[1]*lanes+i%lanes >= s[1] {
			Data[float32](b)[i] = filler
		}
	}
	return b
}

// Moments and normalisation of blocked images are those of plain ones in float64, also far from 0.
func TestNormOnBlocks(t *testing.T) {
	workers := NewWorkers(3)
	defer workers.Close()
	lanes := kernel.Lanes()
	r := rand.New(rand.NewPCG(1, 2))
	for _, channels := range []int{1, lanes, lanes + 3, 2*lanes + 1} {
		for _, shape := range [][]int{{1, channels, 1, 1}, {2, channels, 3, 5}, {3, channels, 40, 41}} {
			for _, far := range []float32{0, 3000} {
				name := fmt.Sprintf("%v by %v", shape, far)
				x := NewTensor(Float32, shape...)
				for i := range Data[float32](x) {
					Data[float32](x)[i] = far + float32(r.NormFloat64())
				}
				wide := apply(t, Cast{To: Float64}, x)[0]
				m := Moments{Axes: []int{0, 2, 3}}
				want := apply(t, m, wide)
				one := Type{Float32, []int{1, channels, 1, 1}}
				var got [2][]*Tensor
				for i, w := range []*Workers{nil, workers} {
					got[i] = []*Tensor{NewTensor(one.DType, one.Shape...), NewTensor(one.DType, one.Shape...)}
					if err := (momentsOnBlocks{m}).Eval(&Exec{Context: context.Background(), Pool: w}, got[i], []*Tensor{blockedOf(x, 1e6)}); err != nil {
						t.Fatal(err)
					}
				}
				for i, want := range want {
					if !identical(got[0][i], got[1][i]) {
						t.Errorf("%s: workers change result %d", name, i)
					}
					for c, v := range Data[float64](want) {
						if g := float64(Data[float32](got[0][i])[c]); !(math.Abs(g-v) <= 2e-6*max(1, math.Abs(v))) {
							t.Errorf("%s: result %d of channel %d is %v, want %v", name, i, c, g, v)
						}
					}
				}
				if far > 0 {
					continue
				}
				params := make([]*Tensor, 4)
				for i := range params {
					params[i] = NewTensor(Float32, channels)
					for c := range channels {
						Data[float32](params[i])[c] = 0.5 + r.Float32()
					}
				}
				norm := BatchNorm{1e-3}
				plain := apply(t, norm, append([]*Tensor{x}, params...)...)[0]
				blocks := NewTensor(Float32, blockedType(x.Type()).Shape...)
				if err := (batchNormOnBlocks{norm}).Eval(&Exec{Context: context.Background(), Pool: workers}, []*Tensor{blocks}, append([]*Tensor{blockedOf(x, 1e6)}, params...)); err != nil {
					t.Fatal(err)
				}
				if !identical(blocks, blockedOf(plain, 0)) {
					t.Errorf("%s: normalised in blocks differs", name)
				}
			}
		}
	}
}

// Between convolutions normalisation with the statistics of the batch works on blocked images.
func TestNormBetweenConvolutions(t *testing.T) {
	t.Setenv("GANSR_CONV", "winograd2")
	lanes := kernel.Lanes()
	for _, channels := range []int{lanes, lanes + 3} {
		n := &trained{T: t, rng: rand.New(rand.NewPCG(5, 6)), b: NewBuilder("norm")}
		input := func(shape ...int) *Value {
			return n.input(func() float32 { return float32(n.rng.NormFloat64()) }, shape...)
		}
		conv := func(x *Value) *Value {
			return n.apply(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, input(channels, channels, 3, 3))
		}
		x := input(2, channels, 9, 10)
		y, mean, variance, err := n.b.BatchNormTraining(BatchStatistics{1e-3, 0.9, true}, conv(x), input(channels), input(channels), input(channels), input(channels))
		if err != nil {
			t.Fatal(err)
		}
		results := []*Value{conv(y), mean, variance}
		want, _ := oneByOne(t, results, n.inputs, n.tensors)
		session, err := NewSession(n.inputs, results, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range session.Steps() {
			if strings.Contains(st.Fused, "BatchNorm") && len(st.Out.Shape) != 5 {
				t.Errorf("%s of %v is not of blocks", st.Fused, st.Out)
			}
		}
		got, err := session.Run(context.Background(), n.tensors)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if !near(got[i], want[i]) {
				t.Errorf("%d channels: result %d differs", channels, i)
			}
		}
	}
}
