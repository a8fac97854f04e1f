package onnxio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// external is where a tensor's data lies: in a file in the model's folder.
type external struct {
	location       string // with slashes
	offset, length int64
	entries        []*onnxpb.StringStringEntryProto // as the file has them
}

// externalOf returns the place of a tensor's data. Where the length is not stated it is what type and shape need.
func externalOf(pb *onnxpb.TensorProto) (external, error) {
	_, _, size, err := shapeOf(pb.Dims, elemType(pb.GetDataType()))
	if err != nil {
		return external{}, err
	}
	e := external{length: int64(size), entries: pb.ExternalData}
	for _, kv := range pb.ExternalData {
		var field *int64
		switch kv.GetKey() {
		case "location":
			e.location = kv.GetValue()
			continue
		case "offset":
			field = &e.offset
		case "length":
			field = &e.length
		default:
			continue
		}
		n, err := strconv.ParseInt(kv.GetValue(), 10, 64)
		if err != nil || n < 0 {
			return e, fmt.Errorf("external data: %s %q should be a number of bytes", kv.GetKey(), kv.GetValue())
		}
		*field = n
	}
	switch {
	case !filepath.IsLocal(filepath.FromSlash(e.location)):
		return e, fmt.Errorf("external data %q should be a file in the model's folder", e.location)
	case e.length != int64(size) && elemType(pb.GetDataType()).bits > 0:
		return e, fmt.Errorf("external data %q: the length is %d bytes, and the type and shape need %d", e.location, e.length, size)
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
	info, err := root.Stat(name)        // before opening, which would wait on a pipe
	if errors.Is(err, fs.ErrNotExist) { // which is not wrapped: the model itself is there
		return nil, nil, fmt.Errorf("external data %q is missing: the file belongs into the model's folder, under this name", e.location)
	}
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

// checkExternal checks a tensor's external data without reading it, as far as the folder is known.
func checkExternal(pb *onnxpb.TensorProto, src source) error {
	if src.dir == "" {
		_, err := externalOf(pb)
		return err
	}
	f, _, err := openExternal(pb, src)
	if err != nil {
		return err
	}
	return f.Close()
}

// openExternal opens the file of a tensor's data, which it is long enough for.
func openExternal(pb *onnxpb.TensorProto, src source) (*os.File, external, error) {
	e, err := externalOf(pb)
	if err != nil {
		return nil, e, err
	}
	if src.dir == "" {
		return nil, e, errNoFolder(e)
	}
	f, info, err := e.openIn(src.dir)
	if err != nil {
		return nil, e, err
	}
	if e.offset > info.Size() || e.length > info.Size()-e.offset {
		f.Close()
		return nil, e, fmt.Errorf("external data %q: %d bytes at offset %d are beyond the end of the file of %d bytes",
			e.location, e.length, e.offset, info.Size())
	}
	return f, e, nil
}

func errNoFolder(e external) error {
	return fmt.Errorf("external data %q: the model was not opened from a file, so there is no folder to look in", e.location)
}

func readExternal(pb *onnxpb.TensorProto, src source) ([]byte, error) {
	f, e, err := openExternal(pb, src)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, e.length)
	if _, err := f.ReadAt(buf, e.offset); err != nil {
		return nil, fmt.Errorf("external data %q: %w", e.location, cause(err))
	}
	return buf, nil
}

// moved returns the entries for data that lies in another file, the rest as it was.
func (e external) moved(location string) []*onnxpb.StringStringEntryProto {
	return setEntries(e.entries, [][2]string{{"location", location}})
}

// rewritten returns the entries for new data. A checksum no longer holds and is left out.
func (e external) rewritten(location string, offset int64, length int) []*onnxpb.StringStringEntryProto {
	kvs := slices.DeleteFunc(slices.Clone(e.entries), func(kv *onnxpb.StringStringEntryProto) bool { return kv.GetKey() == "checksum" })
	return setEntries(kvs, [][2]string{{"location", location}, {"offset", fmt.Sprint(offset)}, {"length", fmt.Sprint(length)}})
}

func setEntries(kvs []*onnxpb.StringStringEntryProto, set [][2]string) []*onnxpb.StringStringEntryProto {
	kvs = slices.Clone(kvs)
	for _, s := range set {
		entry := &onnxpb.StringStringEntryProto{Key: &s[0], Value: &s[1]}
		if i := slices.IndexFunc(kvs, func(kv *onnxpb.StringStringEntryProto) bool { return kv.GetKey() == s[0] }); i >= 0 {
			kvs[i] = entry
		} else {
			kvs = append(kvs, entry)
		}
	}
	return kvs
}
