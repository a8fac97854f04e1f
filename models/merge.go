package models

import (
	"fmt"

	"github.com/gansr/gansr/graph"
)

// kernel is a convolution of stride 1, as weights [out, in, height, width] and a bias, that merging works with in float64.
type kernel struct {
	out, in, height, width int
	weight, bias           []float64
}

// kernelOf returns the convolution that a weight [out, in/groups, height, width] and a bias [out] make; a nil bias is zero.
func kernelOf(weight, bias *graph.Tensor, groups int) (*kernel, error) {
	s := weight.Shape()
	if len(s) != 4 || groups < 1 || s[0]%groups != 0 {
		return nil, fmt.Errorf("a convolution of %d groups has the weight %v", groups, s)
	}
	k, err := newKernel(s[0], s[1]*groups, s[2], s[3])
	if err != nil {
		return nil, err
	}
	w, area, perGroup := graph.Data[float32](weight.Converted(graph.Float32)), s[2]*s[3], s[0]/groups
	for o := range k.out {
		for i := range s[1] {
			to, from := k.at(o, o/perGroup*s[1]+i, 0, 0), (o*s[1]+i)*area
			for p := range area {
				k.weight[to+p] = float64(w[from+p])
			}
		}
	}
	if bias == nil {
		return k, nil
	}
	b := graph.Data[float32](bias.Converted(graph.Float32))
	if len(b) != k.out {
		return nil, fmt.Errorf("a convolution of weight %v has the bias %v", s, bias.Shape())
	}
	for o, v := range b {
		k.bias[o] = float64(v)
	}
	return k, nil
}

func newKernel(out, in, height, width int) (*kernel, error) {
	count, ok := graph.Numel([]int{out, in, height, width})
	if !ok || count > maxParameters {
		return nil, fmt.Errorf("a convolution of weight [%d %d %d %d] is too large", out, in, height, width)
	}
	return &kernel{out, in, height, width, make([]float64, count), make([]float64, out)}, nil
}

func (k *kernel) at(o, i, y, x int) int { return ((o*k.in+i)*k.height+y)*k.width + x }

// then returns the convolution that does k and then next, where nothing is padded between them.
func (k *kernel) then(next *kernel) (*kernel, error) {
	if next.in != k.out {
		return nil, fmt.Errorf("a convolution makes %d channels and the next one takes %d", k.out, next.in)
	}
	r, err := newKernel(next.out, k.in, k.height+next.height-1, k.width+next.width-1)
	if err != nil {
		return nil, err
	}
	copy(r.bias, next.bias)
	for o := range next.out {
		for m := range k.out {
			for u := range next.height {
				for v := range next.width {
					f := next.weight[next.at(o, m, u, v)]
					r.bias[o] += f * k.bias[m]
					for i := range k.in {
						for y := range k.height {
							from, to := k.at(m, i, y, 0), r.at(o, i, u+y, v)
							for x := range k.width {
								r.weight[to+x] += f * k.weight[from+x]
							}
						}
					}
				}
			}
		}
	}
	return r, nil
}

// plus returns the sum of convolutions whose centres are at the same pixel.
func (k *kernel) plus(other *kernel) (*kernel, error) {
	if k.out != other.out || k.in != other.in || (k.height-other.height)%2 != 0 || (k.width-other.width)%2 != 0 {
		return nil, fmt.Errorf("convolutions of weight %v and %v do not add up", k.shape(), other.shape())
	}
	r, err := newKernel(k.out, k.in, max(k.height, other.height), max(k.width, other.width))
	if err != nil {
		return nil, err
	}
	for _, part := range []*kernel{k, other} {
		top, left := (r.height-part.height)/2, (r.width-part.width)/2
		for o := range r.out {
			r.bias[o] += part.bias[o]
			for i := range r.in {
				for y := range part.height {
					for x := range part.width {
						r.weight[r.at(o, i, y+top, x+left)] += part.weight[part.at(o, i, y, x)]
					}
				}
			}
		}
	}
	return r, nil
}

func (k *kernel) shape() []int { return []int{k.out, k.in, k.height, k.width} }

// convMerged is a convolution of stride 1 like conv, with a bias. merge makes it of tensors of the state dictionary, whose names are in sources.
func (n *net) convMerged(name, x string, in, out, size int, sources []string, merge func(sources []*graph.Tensor) (*kernel, error)) string {
	init := n.uniform(in * size * size)
	part := func(pick func(k *kernel) []float64, shape ...int) func(sources []*graph.Tensor) (*graph.Tensor, error) {
		return func(sources []*graph.Tensor) (*graph.Tensor, error) {
			k, err := merge(sources)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			var data []float32
			for _, v := range pick(k) {
				data = append(data, float32(v))
			}
			return graph.FromSlice(data, shape...)
		}
	}
	shape := []int{out, in, size, size}
	w := n.derived(name+".weight", init, part(func(k *kernel) []float64 { return k.weight }, shape...), sources, shape...)
	b := n.derived(name+".bias", init, part(func(k *kernel) []float64 { return k.bias }, out), sources, out)
	p := size / 2
	return n.b.Node("Conv", []string{x, w, b}, attr("kernel_shape", []int{size, size}), attr("pads", []int{p, p, p, p}), attr("strides", []int{1, 1}))
}
