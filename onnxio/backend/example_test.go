package backend_test

import (
	"fmt"
	"log"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/backend"
	"github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"
)

// A model of one operator takes the place of a file.
func reluModel() ([]byte, error) {
	b := onnxio.NewBuilder("example", 13)
	x := b.Input("x", graph.Float32, 1, 4)
	b.Output("y", b.Node("Relu", []string{x}), graph.Float32, 1, 4)
	m, err := b.Model()
	if err != nil {
		return nil, err
	}
	return m.Encode()
}

func Example() {
	data, err := reluModel()
	if err != nil {
		log.Fatal(err)
	}
	// onnx-go does not tell a backend the operator set of a file.
	file, err := onnxio.Decode(data)
	if err != nil {
		log.Fatal(err)
	}
	g := backend.New(backend.Opset(file.Opset("")))
	model := onnx.NewModel(g)
	if err := model.UnmarshalBinary(data); err != nil {
		log.Fatal(err)
	}
	x := tensor.New(tensor.WithShape(1, 4), tensor.WithBacking([]float32{-2, -1, 1, 2}))
	if err := model.SetInput(0, x); err != nil {
		log.Fatal(err)
	}
	if err := g.Run(); err != nil {
		log.Fatal(err)
	}
	y, err := model.GetOutputTensors()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(y[0].Data())
	// Output: [0 0 1 2]
}
