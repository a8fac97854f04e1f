package onnxio

import "strings"

// SpectralNorm names the initialisers of a weight that a model divides by its spectral norm, as torch.nn.utils.spectral_norm names them: NAME_orig,
// of OC x ..., and the estimates NAME_u (OC) and NAME_v (the elements of a row) of its first singular vectors.
type SpectralNorm struct{ Weight, U, V string }

// SpectralNorms lists those of the main graph, in the order of the file. The model itself divides by the product of U, the weight as a
// matrix, and V; training improves U and V.
func (m *Model) SpectralNorms() []SpectralNorm {
	var list []SpectralNorm
	size := func(name string) (dims []int) {
		info, ok := m.graph.InitializerInfo(name)
		if !ok || !info.DType.IsFloat() {
			return nil
		}
		for _, d := range info.Dims {
			dims = append(dims, d.Value)
		}
		return dims
	}
	for _, name := range m.graph.Initializers() {
		stem, ok := strings.CutSuffix(name, "_orig")
		if !ok {
			continue
		}
		w, u, v := size(name), size(stem+"_u"), size(stem+"_v")
		if len(w) < 2 || len(u) != 1 || len(v) != 1 || w[0] != u[0] {
			continue
		}
		row := 1
		for _, d := range w[1:] {
			row *= d
		}
		if row == v[0] {
			list = append(list, SpectralNorm{name, stem + "_u", stem + "_v"})
		}
	}
	return list
}
