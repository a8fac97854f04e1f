package backend

import (
	"errors"
	"fmt"

	"github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"
)

// Node is a value of a [Graph]. One whose name is empty is an optional value left out.
type Node struct {
	g     *Graph
	id    int64
	value *value
	set   bool // SetTensor was called
}

var (
	_ onnx.Namer       = (*Node)(nil)
	_ onnx.DataCarrier = (*Node)(nil)
)

// ID returns the node's identifier in the graph.
func (n *Node) ID() int64 { return n.id }

// GetName returns the name of the value in the file.
func (n *Node) GetName() string { return n.value.name }

// SetName makes the node one of the value with this name.
func (n *Node) SetName(name string) {
	if name == "" {
		n.value = &value{}
		return
	}
	if n.g.values[name] == nil {
		n.g.values[name] = &value{name: name, id: n.id}
	}
	n.value = n.g.values[name]
}

// GetTensor returns an input as it was set, a constant, an output of the last run, or nil.
func (n *Node) GetTensor() tensor.Tensor { return n.value.tensor }

// SetTensor sets an input for the runs to come, which may have another shape than that of the runs before. While
// a model is decoded, it sets the constants.
func (n *Node) SetTensor(t tensor.Tensor) error {
	v := n.value
	switch {
	case t == nil:
		return errors.New("onnx: the tensor is nil")
	case len(n.g.calls) == 0: // decoding: an input with an initialiser is set for a second time
		v.initialised = v.initialised || n.set
		n.set = true
	case v.call != nil:
		return fmt.Errorf("onnx: value %q cannot be set: it is computed by %s", v.name, v.call.Name)
	case v.initialised:
		return fmt.Errorf("onnx: input %q cannot be set: it has an initialiser; SetInput counts the inputs with initialisers too, Model.GetNodeByName finds an input by its name", v.name)
	case v.tensor != nil && v.tensor.Dtype() != t.Dtype():
		return fmt.Errorf("onnx: input %q should have elements of %v, not %v", v.name, v.tensor.Dtype(), t.Dtype())
	case !v.fed || v.tensor.Dims() != t.Dims():
		v.fed = true
		n.g.program = nil
	}
	v.tensor = t
	return nil
}
