package models

import (
	"fmt"
	"maps"
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
}

// Param is a hyper-parameter of an architecture, by its name in PyTorch code.
type Param struct {
	Name, Default, Summary string
}

// Architectures returns the known architectures by name.
func Architectures() []Architecture {
	return []Architecture{courseCritic, courseGenerator, rrdbNet, srvggNetCompact}
}

// New builds a network with random weights, drawn from the distributions of PyTorch's layers: the same seed gives
// the same file. Case and hyphens in arch do not matter: "course-generator" is CourseGenerator. Parameters that are
// not given have their default.
func New(arch string, values map[string]string, seed uint64) (*onnxio.Model, error) {
	a, err := find(arch)
	if err != nil {
		return nil, err
	}
	p := &params{values: map[string]string{}}
	for _, d := range a.Params {
		p.values[d.Name] = d.Default
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if _, ok := p.values[key]; !ok {
			return nil, fmt.Errorf("models: %s has no parameter %q; it has %s", a.Name, key, list(a.Params, func(p Param) string { return p.Name }))
		}
		p.values[key] = strings.ReplaceAll(values[key], " ", "")
	}
	var m *onnxio.Model
	for _, rng := range []*rand.Rand{nil, rand.New(rand.NewPCG(seed, 0))} { // count the parameters before drawing them
		n := newNet(a.Name, rng)
		err := a.build(n, p)
		if err == nil {
			err = n.err
		}
		if err == nil && rng != nil {
			m, err = n.model()
		}
		if err != nil {
			return nil, fmt.Errorf("models: %s: %w", a.Name, err)
		}
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
	return Architecture{}, fmt.Errorf("models: unknown architecture %q; there are %s", name, list(all, func(a Architecture) string { return a.Name }))
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

// choice reads one of some words.
func (p *params) choice(key string, words ...string) string {
	v := p.values[key]
	if !slices.Contains(words, v) {
		p.fail(key, "one of "+strings.Join(words, " "))
	}
	return v
}
