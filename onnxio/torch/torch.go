package torch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
)

// File is a network's state dictionary as a file holds it.
type File struct {
	// Format is "PyTorch zip", "PyTorch before 1.6", "TorchScript" or "safetensors".
	Format string
	// Tensors are the parameters and buffers by name, in the element type of the file. Those that share a storage may share memory, and that of
	// the file; they must not be changed.
	Tensors map[string]*graph.Tensor
	// Names are the keys of Tensors in the order of the file.
	Names []string
	// Chosen is where the dictionary was found, such as "params_ema" or "state.model", "" at the top. Others are those that were passed over.
	Chosen string
	Others []string
	// Prefix was removed from all names, such as "module.".
	Prefix string
	// Left are tensors that belong to other parts of a training run than the generator, such as its critic's, by prefix.
	Left []string
	// Notes say what else a person should know.
	Notes []string
	// Metadata is that of a safetensors file.
	Metadata map[string]string
}

// Stated returns the entries of Metadata that are for people, such as a licence and a source: all but those about the format.
func (f *File) Stated() map[string]string {
	stated := map[string]string{}
	for key, value := range f.Metadata {
		if key != "format" && key != "" && len(key)+len(value) <= 1<<16 && !strings.HasPrefix(key, "gansr.") {
			stated[key] = value
		}
	}
	return stated
}

// ErrFormat is wrapped by the errors of Open for files that are none of PyTorch's.
var ErrFormat = errors.New("not a file of PyTorch's")

// Extensions are those that files of PyTorch's go by.
var Extensions = []string{".pth", ".pt", ".ckpt", ".pkl", ".safetensors"}

// Is reports whether a path has one of the Extensions.
func Is(path string) bool { return slices.Contains(Extensions, strings.ToLower(filepath.Ext(path))) }

// maxFile is the largest file that is read. All of it is in memory.
const maxFile = 16 << 30

// Open reads a file. The error is one line and names the file.
func Open(path string) (*File, error) {
	fail := func(err error) (*File, error) {
		if e := (*fs.PathError)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("torch: %s: %w", path, err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fail(err)
	case !info.Mode().IsRegular(): // reading a pipe or device may never end
		return fail(errors.New("not a regular file"))
	case info.Size() > maxFile:
		return fail(fmt.Errorf("it has %d bytes, and at most %d are read", info.Size(), int64(maxFile)))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	f, err := decode(data)
	if err != nil {
		return fail(err)
	}
	return f, nil
}

// Decode reads a file that is in memory, which its tensors share.
func Decode(data []byte) (*File, error) {
	f, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	return f, nil
}

func decode(data []byte) (*File, error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK")):
		return decodeZip(data)
	case len(data) > 9 && data[8] == '{':
		return decodeSafetensors(data)
	case len(data) > 2 && data[0] == 0x80:
		return decodeLegacy(data)
	case len(data) > 262 && bytes.Equal(data[257:262], []byte("ustar")):
		return nil, errors.New("a file of PyTorch before 0.2, which is not read: load it in PyTorch and save it again")
	}
	return nil, fmt.Errorf("%w: it is neither a zip archive nor a pickle nor safetensors", ErrFormat)
}

// finish takes the state dictionary out of what a pickle holds.
func (f *File) finish(root any, size int) (*File, error) {
	views, err := f.choose(root)
	if err != nil {
		return nil, err
	}
	r := &reader{left: 2*int64(size) + 16<<20}
	f.Tensors = map[string]*graph.Tensor{}
	for _, v := range views {
		t, err := r.tensor(v.view)
		if err != nil {
			return nil, fmt.Errorf("tensor %.80q: %w", v.name, err)
		}
		f.Names, f.Tensors[v.name] = append(f.Names, v.name), t
	}
	return f, nil
}
