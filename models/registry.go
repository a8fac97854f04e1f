package models

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/gansr/gansr/onnxio"
)

// Architecture describes a family of networks.
type Architecture struct {
	Name    string
	Summary string
	Params  []Param

	build func(n *net, p *params) error
	// detect returns what the names and shapes of tensors tell about the parameters, nil if they are not of this architecture. That the
	// network has exactly these tensors need not be checked: FromState does it.
	detect func(k keys) *found
}

// Param is a hyper-parameter of an architecture, by its name in PyTorch code.
type Param struct {
	Name, Default, Summary string
}

// Architectures returns the known architectures by name.
func Architectures() []Architecture {
	return []Architecture{
		carn,
		courseCritic,
		courseGenerator,
		dat,
		dnCNN,
		drct,
		drunet,
		edsr,
		espCN,
		fastSRGAN,
		fsrCNN,
		hat,
		imdn,
		mdsr,
		mosr,
		msrResNet,
		msrResNet0,
		nafnet,
		omniSR,
		pan,
		patchGAN,
		plksr,
		rcan,
		realCUGAN,
		realPLKSR,
		rfdn,
		rgt,
		rlfn,
		rrdbNet,
		safmn,
		scunet,
		span,
		srCNN,
		srResNet,
		srvggNetCompact,
		swiftSRGAN,
		swin2SR,
		swinIR,
		unetDiscriminator,
		vdsr,
		waifu2x,
	}
}

// New builds a network with random weights, drawn from the distributions of PyTorch's layers: the same seed gives
// the same file. Case and hyphens in arch do not matter: "course-generator" is CourseGenerator. Parameters that are
// not given have their default.
func New(arch string, values map[string]string, seed uint64) (*onnxio.Model, error) {
	a, err := find(arch)
	if err != nil {
		return nil, err
	}
	p, err := a.params(nil, values)
	if err != nil {
		return nil, err
	}
	if err := newNet(a.Name, nil).build(a, p); err != nil { // counts the parameters before they are drawn
		return nil, err
	}
	n := newNet(a.Name, rand.New(rand.NewPCG(seed, 0)))
	if err := n.build(a, p); err != nil {
		return nil, err
	}
	return n.finish(a, p)
}

// params returns the architecture's parameters: the given ones, else those that were found, else the defaults.
func (a Architecture) params(found, given map[string]string) (*params, error) {
	p := &params{values: map[string]string{}}
	for _, d := range a.Params {
		p.values[d.Name] = d.Default
	}
	maps.Copy(p.values, found)
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if _, ok := p.values[key]; !ok {
			return nil, fmt.Errorf("models: %s has no parameter %q; it has %s", a.Name, key, list(a.Params, func(p Param) string { return p.Name }))
		}
		p.values[key] = strings.ReplaceAll(given[key], " ", "")
	}
	return p, nil
}

// build adds the layers of an architecture.
func (n *net) build(a Architecture, p *params) error {
	p.err = nil
	err := a.build(n, p)
	if err == nil {
		err = n.err
	}
	if err != nil {
		return fmt.Errorf("models: %s: %w", a.Name, err)
	}
	return nil
}

// finish returns the model that was built.
func (n *net) finish(a Architecture, p *params) (*onnxio.Model, error) {
	m, err := n.b.Model()
	if err != nil {
		return nil, fmt.Errorf("models: %s: %w", a.Name, err)
	}
	for _, kv := range n.metadata {
		m.SetMetadata(kv[0], kv[1])
	}
	m.SetMetadata("gansr.architecture", a.Name)
	m.SetMetadata("gansr.params", list(a.Params, func(d Param) string { return d.Name + "=" + p.values[d.Name] }))
	return m, nil
}

func find(name string) (Architecture, error) {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s)) }
	all := Architectures()
	for _, a := range all {
		if plain(a.Name) == plain(name) {
			return a, nil
		}
	}
	var near []string
	most := min(2, max(1, len(name)/4)) // letters that a slip may change
	for _, a := range all {
		if distance(plain(a.Name), plain(name)) <= most {
			near = append(near, a.Name)
		}
	}
	if len(near) > 0 {
		return Architecture{}, fmt.Errorf("models: unknown architecture %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return Architecture{}, fmt.Errorf("models: unknown architecture %q; there are %s", name, list(all, func(a Architecture) string { return a.Name }))
}

// distance is how many letters must be added, taken away or replaced to make b of a (Levenshtein, 1966). It is more than 2 for long texts.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := before
			if a[i] != b[j] {
				replaced++
			}
			before = row[j+1]
			row[j+1] = min(replaced, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

func list[T any](items []T, text func(T) string) string {
	var s []string
	for _, item := range items {
		s = append(s, text(item))
	}
	return strings.Join(s, " ")
}

// params reads values, and keeps the first error.
type params struct {
	values map[string]string
	err    error
}

func (p *params) fail(key, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s is %q and should be %s", key, p.values[key], want)
	}
}

// number reads a whole number from least to most.
func (p *params) number(key string, least, most int) int {
	v, err := strconv.Atoi(p.values[key])
	if err != nil || v < least || v > most {
		p.fail(key, fmt.Sprintf("a whole number from %d to %d", least, most))
		return least
	}
	return v
}

// numbers reads whole numbers from 1 to most that are separated by commas.
func (p *params) numbers(key string, most int) []int {
	var out []int
	for s := range strings.SplitSeq(p.values[key], ",") {
		v, err := strconv.Atoi(s)
		if err != nil || v < 1 || v > most {
			p.fail(key, fmt.Sprintf("whole numbers from 1 to %d with commas between them", most))
			return []int{1}
		}
		out = append(out, v)
	}
	return out
}

// real reads a number.
func (p *params) real(key string) float32 {
	v, err := strconv.ParseFloat(p.values[key], 32)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		p.fail(key, "a number")
		return 1
	}
	return float32(v)
}

// reals reads numbers that are separated by commas.
func (p *params) reals(key string) []float32 {
	var out []float32
	for s := range strings.SplitSeq(p.values[key], ",") {
		v, err := strconv.ParseFloat(s, 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			p.fail(key, "numbers with commas between them")
		}
		out = append(out, float32(v))
	}
	return out
}

// share reads a number and returns how much of a whole it is, rounded down as PyTorch code does.
func (p *params) share(key string, whole int) int {
	v, err := strconv.ParseFloat(p.values[key], 64)
	if err != nil || !(v > 0 && v <= 64) {
		p.fail(key, "a number above 0, at most 64")
		return 1
	}
	return max(1, int(v*float64(whole)+1e-6))
}

// flag reads true or false.
func (p *params) flag(key string) bool {
	v, err := strconv.ParseBool(p.values[key])
	if err != nil {
		p.fail(key, "true or false")
	}
	return v
}

// choice reads one of some words.
func (p *params) choice(key string, words ...string) string {
	v := p.values[key]
	if !slices.Contains(words, v) {
		p.fail(key, "one of "+strings.Join(words, " "))
	}
	return v
}
