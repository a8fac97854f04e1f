package graph

import (
	"context"
	bin "encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"

	"github.com/gansr/gansr/internal/shared"
)

// course is a recorded run of a reduced WGAN-GP training: tensors by name.
type course map[string]*Tensor

func loadCourse(t *testing.T, name string) course {
	t.Helper()
	file, err := os.ReadFile(shared.Path(t, "reference", name))
	if err != nil {
		t.Fatal(err)
	}
	st, err := safetensors.Deserialize(file)
	if err != nil {
		t.Fatal(err)
	}
	c := course{}
	for _, n := range st.Tensors() {
		dt, ok := map[string]DType{"F32": Float32, "F64": Float64, "I64": Int64}[n.TensorView.DType().String()]
		if !ok {
			t.Fatalf("%s is of type %v", n.Name, n.TensorView.DType())
		}
		shape := make([]int, len(n.TensorView.Shape()))
		for k, d := range n.TensorView.Shape() {
			shape[k] = int(d)
		}
		c[n.Name] = littleEndian(dt, shape, n.TensorView.Data())
	}
	return c
}

// littleEndian returns a tensor of what a file holds.
func littleEndian(dt DType, shape []int, data []byte) *Tensor {
	t := NewTensor(dt, shape...)
	if _, err := bin.Decode(data, bin.LittleEndian, t.data); err != nil { // the lengths differ
		panic(err)
	}
	return t
}

// named are tensors of a network, in a fixed order: float64, whatever is computed with.
type named struct {
	names   []string
	tensors []*Tensor
}

func (n *named) as(dt DType) []*Tensor {
	ts := make([]*Tensor, len(n.tensors))
	for i, t := range n.tensors {
		ts[i] = t.Converted(dt)
	}
	return ts
}

// network returns the floating-point tensors whose names begin with a prefix, which is cut off.
func (c course) network(prefix string) *named {
	n := &named{}
	for name := range c {
		if rest, ok := strings.CutPrefix(name, prefix); ok && c[name].dtype == Float32 {
			n.names = append(n.names, rest)
		}
	}
	slices.Sort(n.names)
	for _, name := range n.names {
		n.tensors = append(n.tensors, c[prefix+name].Converted(Float64))
	}
	return n
}

// inputs adds an input for each tensor.
func (n *named) inputs(t *testing.T, b *Builder, dt DType) (list []*Value, by map[string]*Value) {
	t.Helper()
	by = map[string]*Value{}
	for i, name := range n.names {
		v, err := b.Input(name, Type{dt, n.tensors[i].shape})
		if err != nil {
			t.Fatal(err)
		}
		list, by[name] = append(list, v), v
	}
	return list, by
}

// statistics reports whether a tensor is not learned.
func statistics(name string) bool { return strings.Contains(name, "running") }

// adam is PyTorch's optimiser.
type adam struct {
	rate, clip float64
	step       int
	m, v       [][]float64
}

// learn does a step with the gradients of all tensors that are learned, scaled down to a global norm.
func (a *adam) learn(n *named, grads []*Tensor) {
	a.step++
	scale := min(1, a.clip/(norm(grads)+1e-6))
	if a.m == nil {
		a.m, a.v = make([][]float64, len(grads)), make([][]float64, len(grads))
	}
	k := 0
	for i, name := range n.names {
		if statistics(name) {
			continue
		}
		w, g := Data[float64](n.tensors[i]), Data[float64](grads[k])
		if a.m[k] == nil {
			a.m[k], a.v[k] = make([]float64, len(w)), make([]float64, len(w))
		}
		for j := range w {
			x := g[j] * scale
			m, v := &a.m[k][j], &a.v[k][j]
			*m = 0.9**m + 0.1*x
			*v = 0.999**v + 0.001*x*x
			mean, square := *m/(1-math.Pow(0.9, float64(a.step))), *v/(1-math.Pow(0.999, float64(a.step)))
			w[j] -= a.rate * mean / (math.Sqrt(square) + 1e-8)
		}
		k++
	}
}

// generator is the course's generator in training, for scale 2; it returns what the running statistics become beside the result.
func (c composer) generator(x *Value, p map[string]*Value) (y *Value, running map[string]*Value) {
	running = map[string]*Value{}
	conv := func(x *Value, w string, bias ...*Value) *Value {
		k := p[w].typ.Shape[2]
		return c.apply(Conv{[]int{1, 1}, []int{1, 1}, slices.Repeat([]int{k / 2}, 4), 1}, append([]*Value{x, p[w]}, bias...)...)
	}
	norm := func(x *Value, at string) *Value {
		mean, variance := at+".running_mean", at+".running_var"
		y, m, v, err := c.b.BatchNormTraining(BatchStatistics{Epsilon: 1e-5, Keep: 0.9, Unbiased: true}, x, p[at+".weight"], p[at+".bias"], p[mean], p[variance])
		if err != nil {
			c.fail(err)
		}
		running[mean], running[variance] = m, v
		return y
	}
	sizes := slices.Clone(x.typ.Shape)
	up := x
	h := x
	block := 0
	for ; p[fmt.Sprintf("model.%d.conv1.weight", block)] != nil; block++ {
		at := fmt.Sprintf("model.%d", block)
		r := h
		if p[at+".shortcut.0.weight"] != nil {
			r = conv(h, at+".shortcut.0.weight")
		}
		h = norm(c.apply(Relu{}, conv(h, at+".conv1.weight")), at+".bn1")
		h = norm(c.apply(Relu{}, c.add(conv(h, at+".conv2.weight"), r)), at+".bn2")
	}
	h = c.apply(DepthToSpace{Block: 2, ChannelsFirst: true}, h)
	last := fmt.Sprintf("model.%d", block+1)
	h = conv(h, last+".weight", p[last+".bias"])
	sizes[2], sizes[3] = 2*sizes[2], 2*sizes[3]
	up = c.apply(Resize{Sizes: sizes, Scales: []float64{1, 1, 2, 2}, Mode: "linear", Coordinates: "align_corners"}, up)
	return c.add(up, h), running
}

// features are those of VGG16 after relu3_3.
func (c composer) features(x *Value, vgg *named) *Value {
	for _, layer := range []int{0, 2, -1, 5, 7, -1, 10, 12, 14} {
		if layer < 0 {
			x = c.apply(MaxPool{Sliding: Sliding{[]int{2, 2}, []int{2, 2}, []int{1, 1}, make([]int, 4), false}}, x)
			continue
		}
		param := func(kind string) *Value {
			return c.b.Constant(kind, vgg.tensors[slices.Index(vgg.names, fmt.Sprintf("%d.%s", layer, kind))].Converted(x.typ.DType))
		}
		x = c.apply(Relu{}, c.apply(Conv{[]int{1, 1}, []int{1, 1}, []int{1, 1, 1, 1}, 1}, x, param("weight"), param("bias")))
	}
	return x
}

// mean is that of all elements, 0-d.
func (c composer) mean(x *Value) *Value {
	return c.reshape(c.apply(Reduce{ReduceMean, allBut(x.typ.Rank(), -1)}, x))
}

// trainingStep is a session with the values that it computes, in order.
type trainingStep struct {
	session *Session
	figures int      // how many values come first
	grads   int      // how many gradients follow
	running []string // what follows these
}

// learned returns those of the inputs that have gradients.
func learned(n *named, list []*Value) []*Value {
	var vs []*Value
	for i, name := range n.names {
		if !statistics(name) {
			vs = append(vs, list[i])
		}
	}
	return vs
}

func newStep(t *testing.T, b *Builder, inputs []*Value, figures []*Value, loss *Value, targets []*Value, running map[string]*Value) trainingStep {
	t.Helper()
	grads, err := b.Gradients([]*Value{loss}, nil, targets)
	if err != nil {
		t.Fatal(err)
	}
	s := trainingStep{figures: len(figures), grads: len(grads)}
	values := slices.Concat(figures, grads)
	for name := range running {
		s.running = append(s.running, name)
	}
	slices.Sort(s.running)
	for _, name := range s.running {
		values = append(values, running[name])
	}
	workers := NewWorkers(2)
	t.Cleanup(workers.Close)
	if s.session, err = NewSession(inputs, values, workers); err != nil {
		t.Fatal(err)
	}
	return s
}

// run returns figures and gradients, and sets g's running statistics.
func (s trainingStep) run(t *testing.T, g *named, inputs ...*Tensor) (figures []float64, grads []*Tensor) {
	t.Helper()
	out, err := s.session.Run(context.Background(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		out[i] = o.Converted(Float64)
	}
	for _, f := range out[:s.figures] {
		figures = append(figures, Data[float64](f)[0])
	}
	for i, name := range s.running {
		copyTensor(g.tensors[slices.Index(g.names, name)], out[s.figures+s.grads+i])
	}
	return figures, out[s.figures:][:s.grads]
}

func norm(grads []*Tensor) float64 {
	sum := 0.0
	for _, g := range grads {
		for _, v := range Data[float64](g) {
			sum += v * v
		}
	}
	return math.Sqrt(sum)
}

// A whole training run with gradient penalty follows PyTorch's: batch normalisation in training, perceptual and adversarial losses,
// and the critic's second derivatives. In float32 only its beginning does: a ReLU whose operand is within rounding errors of 0 may
// fall on the other side, and Adam makes much of small gradients.
func TestCourseTraining(t *testing.T) {
	t.Run("float64", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes some seconds")
		}
		courseTraining(t, Float64, math.MaxInt)
	})
	t.Run("float32", func(t *testing.T) { courseTraining(t, Float32, 2) })
}

func courseTraining(t *testing.T, dt DType, batches int) {
	c := loadCourse(t, "wgan-gp.safetensors")
	generator, critic, vgg := c.network("initial.generator."), c.network("initial.critic."), c.network("initial.vgg.")

	build := func(f func(b *Builder, c composer, lr, hr, extra *Value, g map[string]*Value, gl, dl, ordered []*Value) trainingStep, extra []int) trainingStep {
		b := NewBuilder("course")
		var in []*Value
		for _, shape := range [][]int{c["batch.0.lr"].shape, c["batch.0.hr"].shape, extra} {
			v, err := b.Input("data", Type{dt, shape})
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, v)
		}
		gl, g := generator.inputs(t, b, dt)
		dl, d := critic.inputs(t, b, dt)
		var ordered []*Value // layer by layer, weight before bias
		for _, layer := range []int{0, 2, 4, 6, 10} {
			for _, kind := range []string{"weight", "bias"} {
				if v := d[fmt.Sprintf("model.%d.%s", layer, kind)]; v != nil {
					ordered = append(ordered, v)
				}
			}
		}
		var s trainingStep
		if err := b.compose(func(c composer) error {
			s = f(b, c, in[0], in[1], in[2], g, slices.Concat(in, gl, dl), dl, ordered)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	criticStep := build(func(b *Builder, c composer, lr, hr, epsilon *Value, g map[string]*Value, inputs, dl, params []*Value) trainingStep {
		fake, running := c.generator(lr, g)
		mixed := c.add(c.mul(epsilon, hr), c.mul(c.sub(c.scalar(dt, 1), epsilon), fake))
		gs, err := b.Gradients([]*Value{c.critic(mixed, params)}, nil, []*Value{mixed})
		if err != nil {
			c.fail(err)
		}
		norms := c.apply(Reduce{ReduceL2, []int{1, 2, 3}}, gs[0])
		off := c.sub(norms, c.scalar(dt, 1))
		wasserstein := c.sub(c.mean(c.critic(fake, params)), c.mean(c.critic(hr, params)))
		total := c.add(wasserstein, c.scale(c.mean(c.mul(off, off)), 30))
		return newStep(t, b, inputs, []*Value{wasserstein, total, c.mean(norms)}, total, dl, running)
	}, c["batch.0.epsilon.0"].shape)
	generatorStep := build(func(b *Builder, c composer, lr, hr, weight *Value, g map[string]*Value, inputs, dl, params []*Value) trainingStep {
		fake, running := c.generator(lr, g)
		perceptual := c.mean(c.apply(Abs{}, c.sub(c.features(fake, vgg), c.features(hr, vgg))))
		difference := func(axis int) *Value {
			n := fake.typ.Shape[axis] - 1
			return c.mean(c.apply(Abs{}, c.sub(c.slice(fake, axis, 0, n), c.slice(fake, axis, 1, n))))
		}
		variation := c.add(difference(2), difference(3))
		content := c.add(perceptual, c.scale(variation, 0.1))
		adversarial := c.scale(c.mean(c.critic(fake, params)), 0.1)
		total := c.sub(content, c.mul(weight, adversarial))
		return newStep(t, b, inputs, []*Value{total, content, adversarial, perceptual, variation}, total, learned(generator, inputs[3:3+len(generator.names)]), running)
	}, nil)

	wantCritic, wantGenerator, at := Data[float64](c["log.critic"]), Data[float64](c["log.generator"]), Data[int64](c["log.generator_batch"])
	criticAdam, generatorAdam := adam{rate: 1e-4, clip: 5}, adam{rate: 5e-4, clip: 1}
	all := c["log.critic"].shape[0]
	for batch := range min(all, batches) {
		data := func(what string) *Tensor { return c[fmt.Sprintf("batch.%d.%s", batch, what)].Converted(dt) }
		lr, hr := data("lr"), data("hr")
		figures, grads := criticStep.run(t, generator, slices.Concat([]*Tensor{lr, hr, data("epsilon.0")}, generator.as(dt), critic.as(dt))...)
		compareFigures(t, fmt.Sprintf("critic in batch %d", batch), append(figures, norm(grads)), wantCritic, batch, 4)
		criticAdam.learn(critic, grads)
		k := slices.Index(at, int64(batch))
		if k < 0 {
			continue
		}
		weight := Scalar(min(1, float64(batch/2)/5)).Converted(dt) // warm-up
		figures, grads = generatorStep.run(t, generator, slices.Concat([]*Tensor{lr, hr, weight}, generator.as(dt), critic.as(dt))...)
		compareFigures(t, fmt.Sprintf("generator in batch %d", batch), append(figures, norm(grads)), wantGenerator, k, 6)
		generatorAdam.learn(generator, grads)
	}
	if batches < all {
		return
	}
	for prefix, n := range map[string]*named{"final.generator.": generator, "final.critic.": critic} {
		for i, name := range n.names {
			got, want := Data[float64](n.tensors[i]), Data[float64](c[prefix+name].Converted(Float64))
			off, whole := 0.0, 0.0
			for k, w := range want {
				off += (got[k] - w) * (got[k] - w)
				whole += w * w
			}
			if e := math.Sqrt(off / whole); !(e <= 1e-3) {
				t.Errorf("%s%s differs by %.2g of its norm", prefix, name, e)
			}
		}
	}
}

// compareFigures compares figures with a row of a table, within 2e-4 of the figure or of its column's largest magnitude.
func compareFigures(t *testing.T, what string, got, table []float64, row, columns int) {
	t.Helper()
	for k, v := range got {
		largest := 0.0
		for i := k; i < len(table); i += columns {
			largest = max(largest, math.Abs(table[i]))
		}
		if w := table[row*columns+k]; !(math.Abs(v-w) <= 2e-4*largest) {
			t.Errorf("%s: figure %d is %v, want %v", what, k, v, w)
		}
	}
}
