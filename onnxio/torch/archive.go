package torch

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
)

// maxInflation is how much larger the contents of compressed entries may be than the file. PyTorch does not compress.
const maxInflation = 8

// archive is a zip file of PyTorch's.
type archive struct {
	data    []byte
	entries map[string]*zip.File // by name without the first folder, which is called after the file
	left    int64                // bytes that may still be decompressed
}

func openArchive(data []byte) (*archive, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("a zip archive that is damaged or not complete: %w", err)
	}
	a := &archive{data, map[string]*zip.File{}, maxInflation*int64(len(data)) + 1<<20}
	root := ""
	for _, e := range z.File {
		if dir, ok := strings.CutSuffix(e.Name, "data.pkl"); ok && (dir == "" || strings.Count(dir, "/") == 1 && strings.HasSuffix(dir, "/")) {
			root = dir
		}
	}
	for _, e := range z.File {
		if slices.Contains(strings.Split(e.Name, "/"), "..") || strings.ContainsAny(e.Name, "\\\x00") || path.IsAbs(e.Name) {
			return nil, fmt.Errorf("the zip archive has an entry %.80q, which lies outside of it", e.Name)
		}
		name, ok := strings.CutPrefix(e.Name, root)
		if !ok {
			continue
		}
		if a.entries[name] != nil {
			return nil, fmt.Errorf("the zip archive has two entries %.80q", e.Name)
		}
		a.entries[name] = e
	}
	return a, nil
}

// read returns the contents of an entry, in place if it is not compressed. Checksums are not compared: PyTorch can leave them out.
func (a *archive) read(name string) ([]byte, error) {
	e := a.entries[name]
	if e == nil {
		return nil, fmt.Errorf("the zip archive has no entry %.80q", name)
	}
	size := int64(e.UncompressedSize64)
	if e.Method == zip.Store {
		at, err := e.DataOffset()
		if err != nil || at < 0 || size < 0 || size != int64(e.CompressedSize64) || at > int64(len(a.data)) || size > int64(len(a.data))-at {
			return nil, fmt.Errorf("the entry %.80q of the zip archive is not where it should be", name)
		}
		return a.data[at:][:size:size], nil
	}
	if a.left -= size; size < 0 || a.left < 0 {
		return nil, fmt.Errorf("the entry %.80q of the zip archive is much larger than the file", name)
	}
	r, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("the entry %.80q of the zip archive: %w", name, err)
	}
	defer r.Close()
	out := make([]byte, size)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, fmt.Errorf("the entry %.80q of the zip archive: %w", name, err)
	}
	return out, nil
}

func decodeZip(data []byte) (*File, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	if a.entries["data.pkl"] == nil {
		for name := range a.entries {
			if strings.HasSuffix(name, "model.json") {
				return nil, errors.New("a TorchScript archive of PyTorch before 1.4, which is not read: load it in PyTorch and save it again")
			}
		}
		if a.entries["model.weights.h5"] != nil {
			return nil, fmt.Errorf("%w: a model of Keras; export it with model.export(FOLDER), and that with tf2onnx", ErrFormat)
		}
		return nil, fmt.Errorf("%w: the zip archive has no data.pkl", ErrFormat)
	}
	if a.entries["byteorder"] != nil {
		order, err := a.read("byteorder")
		if err != nil {
			return nil, err
		}
		if s := strings.TrimSpace(string(order[:min(len(order), 20)])); s != "little" {
			return nil, fmt.Errorf("its byte order is %q, and only little-endian files are read", s)
		}
	}
	f := &File{Format: "PyTorch zip"}
	m := &machine{}
	for name := range a.entries {
		m.script = m.script || strings.HasPrefix(name, "code/")
	}
	if m.script {
		f.Format = "TorchScript"
		f.Notes = append(f.Notes, "the file is a TorchScript archive: its weights are read, its graph is not")
	}
	if m.data, err = a.read("data.pkl"); err != nil {
		return nil, err
	}
	storages := map[string]*storage{}
	m.persistent = func(id any) (any, error) {
		l, ok := id.(*list)
		if !ok || len(l.items) < 5 || l.items[0] != "storage" {
			return nil, errors.New("the pickle refers to something else than a storage")
		}
		dt, key, n, err := storageID(l)
		if err != nil {
			return nil, err
		}
		if s := storages[key]; s != nil && s.dtype == dt && s.n == n {
			return s, nil
		}
		raw, err := a.read("data/" + key)
		if err != nil {
			return nil, err
		}
		if n < 0 || n > int64(len(raw)/dt.Size()) {
			return nil, fmt.Errorf("storage %.40q has %d bytes, and %d elements of %v are more", key, len(raw), n, dt)
		}
		storages[key] = &storage{key: key, dtype: dt, n: n, raw: func() ([]byte, error) { return raw, nil }}
		return storages[key], nil
	}
	root, err := m.load()
	if err != nil {
		return nil, err
	}
	if c := m.unknown(); c != nil {
		return nil, refused(c)
	}
	return f.finish(root, len(data))
}

// storageID reads what identifies a storage: ("storage", class, key, device, elements).
func storageID(l *list) (dt graph.DType, key string, n int64, err error) {
	c, ok := l.items[1].(*class)
	key, ok2 := l.items[2].(string)
	n, ok3 := l.items[4].(int64)
	if !ok || !ok2 || !ok3 {
		return 0, "", 0, errors.New("the pickle refers to a storage without a type, a key or a length")
	}
	dt = storageTypes[c.name]
	if dt == graph.Invalid {
		return 0, "", 0, fmt.Errorf("storage %.40q is a %v, whose elements are not read", key, c)
	}
	return dt, key, n, nil
}
