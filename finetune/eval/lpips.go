package eval

import (
	"context"
	"fmt"
	"maps"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/quality"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// LPIPS measures the perceptual distance of pictures as models.LPIPS does. It is for one goroutine.
type LPIPS struct{ program *onnxio.Program }

// OpenLPIPS reads the weights from one file or several: torchvision's AlexNet, and the heads of the authors' package.
func OpenLPIPS(paths []string, workers *graph.Workers) (*LPIPS, error) {
	state := map[string]*graph.Tensor{}
	for _, path := range paths {
		f, err := torch.Open(path)
		if err != nil {
			return nil, err
		}
		maps.Copy(state, f.Tensors)
	}
	m, err := models.LPIPS(state)
	if err != nil {
		return nil, err
	}
	p, err := onnxio.NewProgram(m, workers)
	return &LPIPS{p}, err
}

// lpipsSide is the least side of a picture: less leaves nothing after AlexNet's strides.
const lpipsSide = 31

// distance compares two pictures of 8-bit RGB and of the same size.
func (l *LPIPS) distance(ctx context.Context, a, b quality.Picture) (float64, error) {
	if min(a.H, a.W) < lpipsSide {
		return 0, fmt.Errorf("LPIPS needs pictures of at least %dx%d pixels without the edges, and this one has %dx%d", lpipsSide, lpipsSide, a.W, a.H)
	}
	in := map[string]*graph.Tensor{}
	for name, p := range map[string]quality.Picture{"a": a, "b": b} {
		t := graph.NewTensor(graph.Float32, 1, 3, p.H, p.W)
		for i, v := range p.Pix {
			graph.Data[float32](t)[i] = float32(v / 255)
		}
		in[name] = t
	}
	out, err := l.program.Run(ctx, in)
	if err != nil {
		return 0, err
	}
	return float64(graph.Data[float32](out["distance"])[0]), nil
}
