package models

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// ErrUnknown is wrapped by the error of FromState for tensors of no known architecture.
var ErrUnknown = errors.New("no known architecture has these tensors")

// Match says what FromState made of a state dictionary.
type Match struct {
	Architecture string
	Params       map[string]string // all hyper-parameters
	// Assumed lists the hyper-parameters that names and shapes do not tell and nobody gave: they have the field's usual value.
	Assumed []string
	// Moot lists those that make no difference to this network.
	Moot []string
	// Unused lists the tensors that the network does not need for inference, such as num_batches_tracked.
	Unused []string
}

// FromState builds the network whose PyTorch state dictionary is given, with its weights in float32, under their names. It recognises
// the architecture by the tensors' names and shapes unless arch names one; values are hyper-parameters that count more than what it recognises.
// The error of tensors that fit no architecture wraps ErrUnknown and says what comes nearest.
func FromState(state map[string]*graph.Tensor, arch string, values map[string]string) (*onnxio.Model, *Match, error) {
	candidates := Architectures()
	if arch != "" {
		a, err := find(arch)
		if err != nil {
			return nil, nil, err
		}
		candidates = []Architecture{a}
	}
	k := keys{state}
	var nearest *misfit
	for _, a := range candidates {
		found := &found{}
		if a.detect != nil {
			found = a.detect(k)
		}
		if found == nil && arch == "" {
			continue
		}
		if found == nil {
			found = &found0
		}
		p, m, err := a.try(found, values, k)
		if err != nil {
			if arch == "" {
				if _, plain, err2 := a.try(found, nil, k); err2 != nil || !plain.fits() { // the values are another architecture's
					continue
				}
			}
			return nil, nil, err
		}
		m.asked = arch != ""
		if !m.fits() {
			if nearest == nil || m.score() > nearest.score() {
				nearest = m
			}
			continue
		}
		n := newNet(a.Name, nil)
		n.state, n.key, n.merged = state, found.name, found.merged
		if err := n.build(a, p); err != nil {
			return nil, nil, err
		}
		model, err := n.finish(a, p)
		if err != nil {
			return nil, nil, err
		}
		return model, &Match{a.Name, p.values, a.assumed(found, values), found.moot, m.unused}, nil
	}
	if nearest == nil {
		nearest = k.nearest()
	}
	return nil, nil, fmt.Errorf("models: %w: %s", ErrUnknown, nearest)
}

// try compares a state dictionary with the network of what was found and given. The error says which value is wrong.
func (a Architecture) try(f *found, values map[string]string, k keys) (*params, *misfit, error) {
	p, err := a.params(f.params, values)
	if err != nil {
		return nil, nil, err
	}
	n := newNet(a.Name, nil)
	n.merged = f.merged
	if err := n.build(a, p); err != nil {
		return nil, nil, err
	}
	return p, compare(a, n.declared, f, k), nil
}

// found is what an architecture recognises in a state dictionary.
type found struct {
	params map[string]string
	// assumed lists those of params that are only likely. Parameters that are not in params count as assumed too.
	assumed []string
	// moot lists parameters that make no difference to the network that params describe.
	moot []string
	// key translates the architecture's names of tensors into those of the state dictionary; nil: they are the same.
	key func(name string) string
	// merged says that weights which inference makes of others are there in their stead.
	merged bool
	// ignored matches tensors that inference does not need, beside those that no network needs.
	ignored *regexp.Regexp
}

var found0 found

func (f *found) name(name string) string {
	if f.key == nil {
		return name
	}
	return f.key(name)
}

// shuffled finds the channels of the output and the scale of a network that ends in a pixel shuffle of rows channels. The output is taken to
// have the input's channels if that is possible, else three.
func (f *found) shuffled(rows, in int, channels, scale string) {
	for _, ch := range []int{in, 3} {
		if ch < 1 {
			continue
		}
		if s := root(rows / ch); s > 0 && rows == s*s*ch {
			f.params[channels], f.params[scale] = strconv.Itoa(ch), strconv.Itoa(s)
			return
		}
	}
}

// ignorable are tensors that count or index and do not take part in inference otherwise than as constants.
var ignorable = regexp.MustCompile(`(^|\.)(num_batches_tracked|relative_position_index\w*|attn_mask\w*|total_ops|total_params)$`)

// assumed lists the parameters that neither shapes nor the user told.
func (a Architecture) assumed(f *found, given map[string]string) (list []string) {
	for _, p := range a.Params {
		_, told := f.params[p.Name]
		_, said := given[p.Name]
		if !said && (!told || slices.Contains(f.assumed, p.Name)) {
			list = append(list, p.Name)
		}
	}
	return list
}

// misfit compares the tensors that an architecture wants with those that are there.
type misfit struct {
	arch           string
	want           int
	missing, other []string // other: of another shape
	unused, extra  []string
	asked          bool // for this architecture by name
}

func compare(a Architecture, declared []declared, f *found, k keys) *misfit {
	m := &misfit{arch: a.Name, want: len(declared)}
	used := map[string]bool{}
	for _, d := range declared {
		for _, name := range d.from(f) {
			used[name] = true
			t := k.state[name]
			switch {
			case t == nil:
				m.missing = append(m.missing, fmt.Sprintf("%s %v", name, d.shape))
			case d.derive == nil && !sameShape(t.Shape(), d.shape):
				m.other = append(m.other, fmt.Sprintf("%s is %v and should be %v", name, t.Shape(), d.shape))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.state)) {
		switch {
		case used[name]:
		case ignorable.MatchString(name), f.ignored != nil && f.ignored.MatchString(name):
			m.unused = append(m.unused, name)
		default:
			m.extra = append(m.extra, fmt.Sprintf("%s %v", name, k.state[name].Shape()))
		}
	}
	return m
}

// sameShape lets a number be a 0-d tensor or one of a single element.
func sameShape(a, b []int) bool {
	na, _ := graph.Numel(a)
	nb, _ := graph.Numel(b)
	return slices.Equal(a, b) || na == 1 && nb == 1
}

func (m *misfit) fits() bool { return len(m.missing)+len(m.other)+len(m.extra) == 0 }

// score is larger the nearer the tensors are to the architecture's.
func (m *misfit) score() float64 {
	good := m.want - len(m.missing) - len(m.other)
	return float64(good) / float64(m.want+len(m.extra)+1)
}

func (m *misfit) String() string {
	if m == nil || m.score() <= 0 && !m.asked {
		return "none comes near; --arch names one"
	}
	var parts []string
	add := func(what string, list []string) {
		if len(list) == 0 {
			return
		}
		shown := list[:min(4, len(list))]
		text := fmt.Sprintf("%d %s: %s", len(list), what, strings.Join(shown, ", "))
		if len(list) > len(shown) {
			text += ", …"
		}
		parts = append(parts, text)
	}
	add("missing", m.missing)
	add("of another shape", m.other)
	add("not the architecture's", m.extra)
	if m.asked {
		return fmt.Sprintf("%s was asked for; the file differs: %s", m.arch, strings.Join(parts, "; "))
	}
	return fmt.Sprintf("%s comes nearest; the file differs: %s", m.arch, strings.Join(parts, "; "))
}

// keys answers questions about a state dictionary.
type keys struct{ state map[string]*graph.Tensor }

func (k keys) has(names ...string) bool {
	for _, name := range names {
		if k.state[name] == nil {
			return false
		}
	}
	return true
}

// dim returns a dimension of a tensor, 0 if there is none.
func (k keys) dim(name string, axis int) int {
	if t := k.state[name]; t != nil && axis < len(t.Shape()) {
		return t.Shape()[axis]
	}
	return 0
}

// count returns how many tensors there are of names that a format makes of 0, 1, 2, ...
func (k keys) count(format string) int {
	n := 0
	for k.has(fmt.Sprintf(format, n)) {
		n++
	}
	return n
}

// highest returns the largest number that makes a name of a tensor in format's place of %d, -1 if none does.
func (k keys) highest(format string) int {
	before, after, _ := strings.Cut(format, "%d")
	best := -1
	for name := range k.state {
		var n int
		middle, ok := strings.CutPrefix(name, before)
		if middle, ok2 := strings.CutSuffix(middle, after); ok && ok2 {
			if _, err := fmt.Sscanf(middle, "%d", &n); err == nil && fmt.Sprint(n) == middle {
				best = max(best, n)
			}
		}
	}
	return best
}

// nearest compares names alone, whatever their numbers, with every architecture as it is by default.
func (k keys) nearest() *misfit {
	digits := regexp.MustCompile(`\d+`)
	plain := func(s string) string { return digits.ReplaceAllString(s, "#") }
	here := map[string]bool{}
	for name := range k.state {
		here[plain(name)] = true
	}
	var best *misfit
	most := 0.3 // a smaller share of names in common says nothing
	for _, a := range Architectures() {
		p, err := a.params(nil, nil)
		if err != nil {
			continue
		}
		n := newNet(a.Name, nil)
		if n.build(a, p) != nil {
			continue
		}
		names := map[string]bool{}
		for _, d := range n.declared {
			names[plain(d.name)] = true
		}
		both := 0
		for name := range names {
			if here[name] {
				both++
			}
		}
		if share := float64(both) / float64(len(names)+len(here)-both); share > most {
			most, best = share, compare(a, n.declared, &found0, k)
		}
	}
	return best
}

// root returns the whole square root of n, 0 if there is none.
func root(n int) int {
	if s := int(math.Sqrt(float64(max(0, n)))); s*s == n {
		return s
	}
	return 0
}
