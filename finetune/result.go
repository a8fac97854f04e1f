package finetune

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// Digester is a Source that can identify the photos that its batches are of.
type Digester interface{ Digest() string }

// SaveGenerator writes the generator as it is now, as Generator returns it.
func (t *Trainer) SaveGenerator(path string) error {
	m, err := t.Generator()
	if err != nil {
		return err
	}
	return m.Save(path)
}

// Generator returns the generator as it is now: the same ONNX graph with new weights, those of the moving average if there is one. The metadata
// gansr.finetune.base (SHA-256 of the file that it was), .settings (JSON), .steps and .data say where it comes from. The model is the
// trainer's own and holds these weights until the next call.
func (t *Trainer) Generator() (*onnxio.Model, error) {
	values := map[string]*graph.Tensor{}
	for i, w := range t.averaged() {
		v, err := graph.FromSlice(t.average[i], w.value.Shape()...)
		if err != nil {
			return nil, fmt.Errorf("finetune: %w", err)
		}
		values[w.name] = v
	}
	return t.filled(t.generator, values)
}

// SaveCritic writes the critic as it is now.
func (t *Trainer) SaveCritic(path string) error {
	if t.critic == nil {
		return fmt.Errorf("finetune: there is no critic to save")
	}
	m, err := t.filled(t.critic, nil)
	if err != nil {
		return err
	}
	return m.Save(path)
}

// filled returns a network's model with the given values, or else its current ones.
func (t *Trainer) filled(n *network, values map[string]*graph.Tensor) (*onnxio.Model, error) {
	c := t.config
	c.Folder = "" // of this computer, and nobody else's concern
	settings, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	for _, w := range n.weights() {
		v := values[w.name]
		if v == nil {
			v = w.value
		}
		if err := n.model.Graph().SetInitializer(w.name, v.Converted(w.dtype)); err != nil {
			return nil, err
		}
	}
	n.model.SetMetadata("gansr.finetune.base", n.base)
	n.model.SetMetadata("gansr.finetune.settings", string(settings))
	n.model.SetMetadata("gansr.finetune.steps", strconv.Itoa(t.generatorAdam.State.Steps))
	if d, ok := t.source.(Digester); ok {
		n.model.SetMetadata("gansr.finetune.data", d.Digest())
	}
	return n.model, nil
}
