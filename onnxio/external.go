package onnxio

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// external is where a tensor's data lies: a file in the model's folder, named with slashes.
type external struct {
	location       string
	offset, length int64 // length is -1 if the model does not state it
}

func externalOf(pb *onnxpb.TensorProto) (external, error) {
	e := external{length: -1}
	for _, kv := range pb.ExternalData {
		var err error
		switch kv.GetKey() {
		case "location":
			e.location = kv.GetValue()
		case "offset":
			e.offset, err = strconv.ParseInt(kv.GetValue(), 10, 64)
		case "length":
			e.length, err = strconv.ParseInt(kv.GetValue(), 10, 64)
			if e.length < 0 {
				e.length, err = 0, fmt.Errorf("negative")
			}
		}
		if err != nil {
			return e, fmt.Errorf("external data: %s %q is no size", kv.GetKey(), kv.GetValue())
		}
	}
	if e.location == "" {
		return e, fmt.Errorf("external data without a location")
	}
	if e.offset < 0 {
		return e, fmt.Errorf("external data: offset %d is negative", e.offset)
	}
	if !filepath.IsLocal(filepath.FromSlash(e.location)) {
		return e, fmt.Errorf("external data %q is outside the model's folder", e.location)
	}
	return e, nil
}

// openIn opens the data file. The model's folder confines it, symbolic links included.
func (e external) openIn(dir string) (*os.File, os.FileInfo, error) {
	fail := func(err error) (*os.File, os.FileInfo, error) {
		return nil, nil, fmt.Errorf("external data %q: %w", e.location, cause(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fail(err)
	}
	defer root.Close()
	name := filepath.FromSlash(e.location)
	info, err := root.Stat(name) // before opening, which would wait on a pipe
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(fmt.Errorf("not a regular file"))
	}
	f, err := root.Open(name)
	if err != nil {
		return fail(err)
	}
	return f, info, nil
}

// check checks that the file holds a tensor of size bytes at the offset; a size of -1 is not known.
func (e external) check(fileSize int64, size int) error {
	length := e.length
	if length < 0 {
		length = int64(max(size, 0))
	}
	if size >= 0 && length != int64(size) {
		return fmt.Errorf("external data %q: length is %d bytes, and the type and shape need %d", e.location, length, size)
	}
	if e.offset > fileSize || length > fileSize-e.offset {
		return fmt.Errorf("external data %q: %d bytes at offset %d are beyond the end of the file of %d bytes",
			e.location, length, e.offset, fileSize)
	}
	return nil
}

// checkExternal checks a tensor's external data without reading it, as far as the folder is known.
func checkExternal(pb *onnxpb.TensorProto, size int, src source) error {
	e, err := externalOf(pb)
	if err != nil || src.dir == "" {
		return err
	}
	f, info, err := e.openIn(src.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return e.check(info.Size(), size)
}

func readExternal(pb *onnxpb.TensorProto, size int, src source) ([]byte, error) {
	e, err := externalOf(pb)
	if err != nil {
		return nil, err
	}
	if src.dir == "" {
		return nil, fmt.Errorf("external data %q: the model was not opened from a file, so there is no folder to look in", e.location)
	}
	f, info, err := e.openIn(src.dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := e.check(info.Size(), size); err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, e.offset, int64(size)), buf); err != nil {
		return nil, fmt.Errorf("external data %q: %w", e.location, cause(err))
	}
	return buf, nil
}

// set writes the place into a tensor and takes its data out. The entries for other keys stay, but for a checksum
// that no longer holds.
func (e external) set(pb *onnxpb.TensorProto, changed bool) {
	values := map[string]string{"location": e.location, "offset": fmt.Sprint(e.offset), "length": fmt.Sprint(e.length)}
	var kvs []*onnxpb.StringStringEntryProto
	for _, kv := range pb.ExternalData {
		key := kv.GetKey()
		if v, ok := values[key]; ok {
			delete(values, key)
			kv = &onnxpb.StringStringEntryProto{Key: &key, Value: &v}
		}
		if key != "checksum" || !changed {
			kvs = append(kvs, kv)
		}
	}
	for _, key := range []string{"location", "offset", "length"} {
		if v, ok := values[key]; ok {
			kvs = append(kvs, &onnxpb.StringStringEntryProto{Key: &key, Value: &v})
		}
	}
	pb.ExternalData, pb.RawData = kvs, nil
	pb.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
}
