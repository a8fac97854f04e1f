package finetune

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/gansr/gansr/graph"
)

// Digester is a Source that can identify the photos that its batches are of.
type Digester interface{ Digest() string }

// SaveGenerator writes the generator as it is now: the same ONNX graph with new weights, those of the moving average if there is one. The
// metadata gansr.finetune.base (SHA-256 of the file that it was), .settings (JSON), .steps and .data say where it comes from.
func (t *Trainer) SaveGenerator(path string) error {
	values := map[string]*graph.Tensor{}
	for i, w := range t.averaged() {
		v, err := graph.FromSlice(t.average[i], w.value.Shape()...)
		if err != nil {
			return fmt.Errorf("finetune: %w", err)
		}
		values[w.name] = v
	}
	return t.save(t.generator, values, path)
}

// SaveCritic writes the critic as it is now.
func (t *Trainer) SaveCritic(path string) error {
	if t.critic == nil {
		return fmt.Errorf("finetune: there is no critic to save")
	}
	return t.save(t.critic, nil, path)
}

// save writes a network with the given values, or else its current ones.
func (t *Trainer) save(n *network, values map[string]*graph.Tensor, path string) error {
	c := t.config
	c.Folder = "" // of this computer, and nobody else's concern
	settings, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("finetune: %w", err)
	}
	for _, w := range n.weights() {
		v := values[w.name]
		if v == nil {
			v = w.value
		}
		if err := n.model.Graph().SetInitializer(w.name, v.Converted(w.dtype)); err != nil {
			return err
		}
	}
	n.model.SetMetadata("gansr.finetune.base", n.base)
	n.model.SetMetadata("gansr.finetune.settings", string(settings))
	n.model.SetMetadata("gansr.finetune.steps", strconv.Itoa(t.generatorAdam.State.Steps))
	if d, ok := t.source.(Digester); ok {
		n.model.SetMetadata("gansr.finetune.data", d.Digest())
	}
	return n.model.Save(path)
}
