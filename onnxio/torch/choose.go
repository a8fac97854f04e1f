package torch

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// named is a tensor of a state dictionary.
type named struct {
	name string
	view *view
}

// candidate is a state dictionary in what a file holds.
type candidate struct {
	path    []string
	tensors []named
	size    int64 // elements
}

// Names of state dictionaries within checkpoints, the best first: averaged weights, then a generator's, then those of any network.
var preferred = strings.Fields(`params_ema ema_state_dict state_dict_ema model_ema ema_model ema netg_ema net_g_ema g_ema generator_ema params_ema_state_dict
	params state_dict model_state_dict generator_state_dict netg net_g generator g gen model_g model net network weights module state`)

// critics are names of what is trained beside a generator.
var critics = strings.Fields(`netd net_d discriminator d disc critic model_d netf netd_state_dict discriminator_state_dict critic_state_dict
	loss losses cri_perceptual perceptual_loss vgg lpips optimizer optimizers optimizer_states optim optimizer_state_dict lr_schedulers scheduler schedulers`)

func isCritic(name string) bool { return slices.Contains(critics, strings.ToLower(name)) }

// rank is smaller for better names.
func (c *candidate) rank() int {
	best := len(preferred)
	for _, p := range c.path {
		p = strings.ToLower(p)
		if isCritic(p) || strings.HasPrefix(p, "optim") {
			return 1 << 20
		}
		if i := slices.Index(preferred, p); i >= 0 {
			best = min(best, i)
		}
	}
	return best
}

// Limits of what is looked through. A module that is in two places has its tensors twice.
const (
	maxDepth  = 64
	maxVisits = 1 << 16
	maxName   = 1 << 10
)

// search finds state dictionaries.
type search struct {
	found  []*candidate
	seen   map[any]bool
	visits int
}

func (s *search) visit(depth int) error {
	if s.visits++; depth > maxDepth || s.visits > maxVisits {
		return errors.New("its values lie too deep in each other")
	}
	return nil
}

// look adds the state dictionaries in v.
func (s *search) look(v any, path []string) error {
	if err := s.visit(len(path)); err != nil {
		return err
	}
	if s.seen[v] {
		return nil
	}
	s.seen[v] = true
	path = slices.Clip(path)
	c := &candidate{path: path}
	switch v := v.(type) {
	case *object:
		if err := s.gather(c, v, "", 0); err != nil {
			return err
		}
	case *dict:
		for i, k := range v.keys {
			name, ok := k.(string)
			if !ok {
				continue
			}
			switch x := v.values[i].(type) {
			case *view:
				c.add(name, x)
			case *dict, *object:
				if err := s.look(x, append(path, name)); err != nil {
					return err
				}
			}
		}
	}
	if len(c.tensors) > 0 {
		s.found = append(s.found, c)
	}
	return nil
}

func (c *candidate) add(name string, v *view) {
	n := int64(1)
	for _, d := range v.size {
		n *= d
	}
	c.tensors, c.size = append(c.tensors, named{name, v}), c.size+n
}

// gather adds what state_dict() of a module would give: its parameters and buffers, and those of the modules in it. Objects of
// TorchScript have them as attributes.
func (s *search) gather(c *candidate, o *object, prefix string, depth int) error {
	if err := s.visit(depth); err != nil {
		return err
	}
	if len(prefix) > maxName {
		return fmt.Errorf("a tensor's name is longer than %d bytes", maxName)
	}
	state, ok := o.state.(*dict)
	if !ok {
		return nil
	}
	from := []*dict{state}
	if isModule(o) {
		from = nil
		for _, key := range []string{"_parameters", "_buffers", "_modules"} {
			if d, ok := state.get(key).(*dict); ok {
				from = append(from, d)
			}
		}
	}
	skip, _ := state.get("_non_persistent_buffers_set").(*list)
	for _, d := range from {
		for i, k := range d.keys {
			name, ok := k.(string)
			if !ok || skip != nil && slices.Contains(skip.items, any(name)) {
				continue
			}
			switch x := d.values[i].(type) {
			case *view:
				c.add(prefix+name, x)
			case *object:
				if err := s.gather(c, x, prefix+name+".", depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// choose finds the network's state dictionary in what a file holds, and takes prefixes off its names.
func (f *File) choose(root any) ([]named, error) {
	s := &search{seen: map[any]bool{}}
	if err := s.look(root, nil); err != nil {
		return nil, err
	}
	if len(s.found) == 0 {
		if f.Format == "TorchScript" {
			return nil, errors.New("the TorchScript archive holds no named weights: it was frozen; export the network to ONNX, or save its state dictionary")
		}
		return nil, errors.New("the file holds no tensors by name, so no state dictionary")
	}
	slices.SortStableFunc(s.found, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.size, a.size))
	})
	best := s.found[0]
	f.Chosen = strings.Join(best.path, ".")
	for _, c := range s.found[1:] {
		f.Others = append(f.Others, fmt.Sprintf("%.60s", strings.Join(c.path, ".")))
	}
	tensors, err := f.unprefix(best.tensors)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, t := range tensors {
		if seen[t.name] {
			return nil, fmt.Errorf("two tensors are called %.80q", t.name)
		}
		seen[t.name] = true
	}
	return tensors, nil
}

// Prefixes that programs put before the names of a network's tensors, the better first: that of the averaged weights before others.
var prefixes = strings.Fields("netG_ema. net_g_ema. generator_ema. g_ema. ema_model. module. _orig_mod. netG. net_g. generator.")

// unprefix removes what all names begin with. Where a file holds several networks by prefix, it takes the generator's tensors.
func (f *File) unprefix(tensors []named) ([]named, error) {
	for range maxDepth {
		prefix, rest := "", []named(nil)
		for _, p := range prefixes {
			var with, without []named
			for _, t := range tensors {
				if strings.HasPrefix(t.name, p) {
					with = append(with, t)
				} else if t.name != "n_averaged" { // of torch.optim.swa_utils.AveragedModel
					without = append(without, t)
				}
			}
			if len(with) == 0 || !otherNetworks(without) {
				continue
			}
			for _, t := range without {
				if first, _, _ := strings.Cut(t.name, "."); !slices.Contains(f.Left, first+".") {
					f.Left = append(f.Left, first+".")
				}
			}
			prefix, rest = p, with
			break
		}
		if prefix == "" {
			return tensors, nil
		}
		f.Prefix += prefix
		tensors = nil
		for _, t := range rest {
			tensors = append(tensors, named{strings.TrimPrefix(t.name, prefix), t.view})
		}
	}
	return nil, errors.New("the names of its tensors have too many prefixes")
}

// otherNetworks reports whether all tensors are those of critics, or of a second copy of a generator.
func otherNetworks(tensors []named) bool {
	for _, t := range tensors {
		first, _, nested := strings.Cut(t.name, ".")
		if !nested || !isCritic(first) && !slices.Contains(prefixes[:5], first+".") && !slices.Contains([]string{"netG", "net_g", "generator"}, first) {
			return false
		}
	}
	return true
}
