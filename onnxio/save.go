package onnxio

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Encode returns the model's file. References to external data stay as they are, and tensors that were changed are
// in the file itself; Save writes them to external data again.
func (m *Model) Encode() ([]byte, error) {
	parts, err := m.segments()
	if err != nil {
		return nil, err
	}
	return slices.Concat(parts...), nil
}

// WriteTo writes what Encode returns, without having it in memory as a whole.
func (m *Model) WriteTo(w io.Writer) (n int64, err error) {
	parts, err := m.segments()
	if err != nil {
		return 0, err
	}
	for _, p := range parts {
		k, err := w.Write(p)
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (m *Model) segments() ([][]byte, error) {
	if n := proto.Size(m.pb); n > maxFile {
		return nil, m.src.wrap(fmt.Errorf("the model has %d bytes, and an ONNX file at most %d", n, maxFile))
	}
	parts, err := segments(m.pb)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return parts, nil
}

// EncodeMetadata returns what, at the end of a model's file, adds an entry to its metadata_props.
func EncodeMetadata(key, value string) ([]byte, error) {
	return proto.Marshal(&onnxpb.ModelProto{MetadataProps: []*onnxpb.StringStringEntryProto{{Key: &key, Value: &value}}})
}

// Save writes the model under a temporary name, and then in the place of path. Tensors that lay in external data
// files are written to such files again, at the same offsets: to the same files if path is the file that the model
// was opened from, and else to files beside path that are called path.data, path.data.1 and so on.
func (m *Model) Save(path string) error {
	restore, err := m.saveExternal(path)
	defer restore()
	if err != nil {
		return source{file: path}.wrap(err)
	}
	if _, err := m.segments(); err != nil {
		return err
	}
	if err := atomicfile.Write(path, func(f *os.File) error { _, err := m.WriteTo(f); return err }); err != nil {
		return source{file: path}.wrap(cause(err))
	}
	return nil
}

// saveExternal writes the external data files that belong to path and makes the model refer to them, until restore
// is called.
func (m *Model) saveExternal(path string) (restore func(), err error) {
	var undo []func()
	restore = func() {
		for _, f := range undo {
			f()
		}
	}
	files := map[string][]placed{} // by location
	err = walkTensors(m.pb.ProtoReflect(), func(pb *onnxpb.TensorProto) error {
		e, changed := m.inlined[pb]
		if !changed {
			if pb.GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
				return nil
			}
			var err error
			if e, err = externalOf(pb); err != nil {
				return err
			}
		}
		if m.src.dir == "" {
			return errNoFolder(e)
		}
		files[e.location] = append(files[e.location], placed{pb, e, changed})
		return nil
	})
	if err != nil {
		return restore, err
	}
	names, err := m.dataNames(path, slices.Sorted(maps.Keys(files)))
	if err != nil {
		return restore, err
	}
	for location, to := range names {
		entries, err := m.copyExternal(location, filepath.Join(filepath.Dir(path), filepath.FromSlash(to)), to, files[location])
		if err != nil {
			return restore, err
		}
		for i, p := range files[location] {
			pb, raw, kvs, loc := p.pb, p.pb.RawData, p.pb.ExternalData, p.pb.DataLocation
			undo = append(undo, func() { pb.RawData, pb.ExternalData, pb.DataLocation = raw, kvs, loc })
			pb.RawData, pb.ExternalData, pb.DataLocation = nil, entries[i], onnxpb.TensorProto_EXTERNAL.Enum()
		}
	}
	return restore, nil
}

// placed is a tensor whose data lies, or lay before it was changed, in an external file.
type placed struct {
	pb      *onnxpb.TensorProto
	at      external
	changed bool
}

// dataNames returns the names of the data files of a model that is saved as path, by their locations now. It does
// not choose a file that the model reads from, unless the model is saved in its own place.
func (m *Model) dataNames(path string, locations []string) (map[string]string, error) {
	names := map[string]string{}
	var sources []os.FileInfo
	for _, l := range locations {
		f, info, err := external{location: l}.openIn(m.src.dir)
		if err != nil {
			return nil, err
		}
		f.Close()
		sources = append(sources, info)
		names[l] = l
	}
	if old, err := os.Stat(m.src.file); err == nil && isFile(path, old) {
		return names, nil
	}
	n := 0
	for _, l := range locations {
		for {
			names[l] = filepath.Base(path) + ".data"
			if n > 0 {
				names[l] += fmt.Sprint(".", n)
			}
			n++
			p := filepath.Join(filepath.Dir(path), names[l])
			if !slices.ContainsFunc(sources, func(s os.FileInfo) bool { return isFile(p, s) }) {
				break
			}
		}
	}
	return names, nil
}

func isFile(path string, info os.FileInfo) bool {
	i, err := os.Stat(path)
	return err == nil && os.SameFile(i, info)
}

// copyExternal copies a data file with the changed tensors in the place of their old data, or behind the end if they
// have another size or share it with other tensors: the old model stays whole with the new data file, should the
// program end before the model is written too. It returns the tensors' external_data entries.
func (m *Model) copyExternal(location, path, name string, tensors []placed) ([][]*onnxpb.StringStringEntryProto, error) {
	in, info, err := external{location: location}.openIn(m.src.dir)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	entries := make([][]*onnxpb.StringStringEntryProto, len(tensors))
	writes := map[int64][]byte{} // by offset
	end := info.Size()
	for i, t := range tensors {
		if !t.changed {
			entries[i] = t.at.moved(name)
			continue
		}
		at, n := t.at.offset, int64(len(t.pb.RawData))
		if n != t.at.length || slices.ContainsFunc(tensors, t.overlaps) {
			at = (end + externalAlign - 1) / externalAlign * externalAlign
			end = at + n
		}
		writes[at] = t.pb.RawData
		entries[i] = t.at.rewritten(name, at, len(t.pb.RawData))
	}
	if len(writes) == 0 && isFile(path, info) {
		return entries, nil
	}
	err = atomicfile.Write(path, func(f *os.File) error {
		if _, err := io.Copy(f, in); err != nil {
			return err
		}
		for at, data := range writes {
			if _, err := f.WriteAt(data, at); err != nil {
				return err
			}
		}
		return in.Close() // before it may be replaced
	})
	if err != nil {
		err = fmt.Errorf("external data %q: %w", name, cause(err))
	}
	return entries, err
}

func (t placed) overlaps(o placed) bool {
	return t.pb != o.pb && t.at.offset < o.at.offset+o.at.length && o.at.offset < t.at.offset+t.at.length
}

// Data at page boundaries can be mapped into memory, as the ONNX specification recommends.
const externalAlign = 4096

// walkTensors calls f for every tensor anywhere in a message, until it returns an error.
func walkTensors(msg protoreflect.Message, f func(*onnxpb.TensorProto) error) (err error) {
	if t, ok := msg.Interface().(*onnxpb.TensorProto); ok {
		return f(t)
	}
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := 0; i < v.List().Len() && err == nil; i++ {
				err = walkTensors(v.List().Get(i).Message(), f)
			}
		default:
			err = walkTensors(v.Message(), f)
		}
		return err == nil
	})
	return err
}

// checkTensors checks the size of every tensor in the file.
func (m *Model) checkTensors() error {
	return walkTensors(m.pb.ProtoReflect(), func(pb *onnxpb.TensorProto) error {
		if err := checkTensor(pb, m.src); err != nil {
			return fmt.Errorf("tensor %q: %w", pb.GetName(), err)
		}
		return nil
	})
}
