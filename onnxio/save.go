package onnxio

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Encode returns the model's file. References to external data stay as they are, and tensors that were changed are
// in the file itself; Save writes them to external data again.
func (m *Model) Encode() ([]byte, error) {
	if n := proto.Size(m.pb); n > maxFile {
		return nil, m.src.wrap(fmt.Errorf("the model has %d bytes, and an ONNX file at most %d", n, maxFile))
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.pb)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return data, nil
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
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if err := replaceFile(path, func(f *os.File) error { _, err := f.Write(data); return err }); err != nil {
		return source{file: path}.wrap(err)
	}
	return nil
}

// saveExternal writes the external data files that belong to path and makes the model refer to them, until restore
// is called.
func (m *Model) saveExternal(path string) (restore func(), err error) {
	var undo []func()
	restore = func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	files := map[string][]*onnxpb.TensorProto{}
	var order []string
	places := map[*onnxpb.TensorProto]external{}
	for pb := range m.inlined {
		places[pb] = m.inlined[pb]
	}
	walkTensors(m.pb.ProtoReflect(), func(pb *onnxpb.TensorProto) error {
		if pb.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
			if places[pb], err = externalOf(pb); err != nil {
				return err
			}
		}
		if e, ok := places[pb]; ok {
			if files[e.location] == nil {
				order = append(order, e.location)
			}
			files[e.location] = append(files[e.location], pb)
		}
		return nil
	})
	if err != nil || len(order) == 0 {
		return restore, err
	}
	if m.src.dir == "" {
		return restore, fmt.Errorf("external data %q: the model was not opened from a file, so there is no folder to look in", order[0])
	}
	inPlace := sameFile(path, m.src.file)
	for i, location := range order {
		to := location
		if !inPlace {
			to = filepath.Base(path) + ".data"
			if i > 0 {
				to += fmt.Sprint(".", i)
			}
		}
		placed, err := m.copyExternal(location, filepath.Join(filepath.Dir(path), filepath.FromSlash(to)), files[location], places)
		if err != nil {
			return restore, err
		}
		for pb, e := range placed {
			old := [...]any{pb.RawData, pb.ExternalData, pb.DataLocation}
			undo = append(undo, func() {
				pb.RawData, _ = old[0].([]byte)
				pb.ExternalData, _ = old[1].([]*onnxpb.StringStringEntryProto)
				pb.DataLocation, _ = old[2].(*onnxpb.TensorProto_DataLocation)
			})
			_, changed := m.inlined[pb]
			e.location = to
			e.set(pb, changed)
		}
	}
	return restore, nil
}

// copyExternal copies a data file with the changed tensors in the place of their old data, or behind the end if
// they have another size or share it with other tensors: the old model stays whole with the new data file, should
// the program end before the model is written too.
func (m *Model) copyExternal(location, to string, tensors []*onnxpb.TensorProto, places map[*onnxpb.TensorProto]external) (map[*onnxpb.TensorProto]external, error) {
	placed := map[*onnxpb.TensorProto]external{}
	in, info, err := external{location: location}.openIn(m.src.dir)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	end := info.Size()
	shared := map[int64]int{}
	for _, pb := range tensors {
		shared[places[pb].offset]++
	}
	type write struct {
		data []byte
		at   int64
	}
	var writes []write
	for _, pb := range tensors {
		e := places[pb]
		if _, changed := m.inlined[pb]; !changed {
			if e.length >= 0 || pb.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
				placed[pb] = e
			}
			continue
		}
		n := int64(len(pb.RawData))
		if n != e.length || shared[e.offset] > 1 {
			e.offset = (end + externalAlign - 1) / externalAlign * externalAlign
			e.length = n
			end = e.offset + n
		}
		writes = append(writes, write{pb.RawData, e.offset})
		placed[pb] = e
	}
	if len(writes) == 0 {
		if same, err := os.Stat(to); err == nil && os.SameFile(same, info) {
			return placed, nil
		}
	}
	return placed, replaceFile(to, func(f *os.File) error {
		if _, err := io.Copy(f, in); err != nil {
			return err
		}
		for _, w := range writes {
			if _, err := f.WriteAt(w.data, w.at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Data at page boundaries can be mapped into memory, as the ONNX specification recommends.
const externalAlign = 4096

func sameFile(a, b string) bool {
	ai, err := os.Stat(a)
	if err != nil {
		return false
	}
	bi, err := os.Stat(b)
	return err == nil && os.SameFile(ai, bi)
}

// replaceFile writes a file under a temporary name in the same folder and renames it to path when its content is on
// the disk, so that path is never half-written.
func replaceFile(path string, write func(*os.File) error) (err error) {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+strings.ToLower(rand.Text()[:8])+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return cause(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

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
