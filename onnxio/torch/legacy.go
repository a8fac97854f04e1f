package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// magic is the number that files of PyTorch before 1.6 begin with, 0x1950a86a20f9469cfc6c.
const magic = bigInt("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")

// decodeLegacy reads what torch.save wrote before 1.6: pickles of a magic number, a version, the machine, the value and the keys of its
// storages, and then the storages one after the other.
func decodeLegacy(data []byte) (*File, error) {
	m := &machine{data: data}
	if v, err := m.load(); err != nil || v != magic {
		return nil, fmt.Errorf("%w: the pickle is not one of torch.save; load it in Python and save its state dictionary with that", ErrFormat)
	}
	if v, err := m.load(); err != nil || v != int64(1001) {
		return nil, errors.New("the file has another version of the format than 1001")
	}
	sys, err := m.load()
	if err != nil {
		return nil, err
	}
	if d, ok := sys.(*dict); !ok || d.get("little_endian") != true {
		return nil, errors.New("its byte order is big-endian, and only little-endian files are read")
	}
	storages := map[string]*storage{}
	m.persistent = func(id any) (any, error) {
		l, ok := id.(*list)
		if ok && len(l.items) >= 2 && l.items[0] == "module" { // a class with its source text
			return l.items[1], nil
		}
		if !ok || len(l.items) < 5 || l.items[0] != "storage" {
			return nil, errors.New("the pickle refers to something else than a storage")
		}
		dt, key, n, err := storageID(l)
		if err != nil {
			return nil, err
		}
		s := storages[key]
		if s == nil {
			if n < 0 || n > int64(len(data)/dt.Size()) {
				return nil, fmt.Errorf("storage %.40q of %d elements of %v is larger than the file", key, n, dt)
			}
			s = &storage{key: key, dtype: dt, n: n}
			s.raw = func() ([]byte, error) { return nil, fmt.Errorf("the file does not hold storage %.40q", key) }
			storages[key] = s
		}
		if s.dtype != dt || s.n != n {
			return nil, fmt.Errorf("storage %.40q has two types or sizes", key)
		}
		if len(l.items) > 5 {
			return part(s, l.items[5])
		}
		return s, nil
	}
	root, err := m.load()
	if err != nil {
		return nil, err
	}
	if c := m.unknown(); c != nil {
		return nil, refused(c)
	}
	m.persistent = nil
	keys, err := m.load()
	if err != nil {
		return nil, err
	}
	order, ok := keys.(*list)
	if !ok {
		return nil, errors.New("the file does not list its storages")
	}
	rest := data[m.pos:]
	for _, k := range order.items {
		key, ok := k.(string)
		s := storages[key]
		if !ok || s == nil {
			return nil, errors.New("the file lists a storage that nothing uses")
		}
		if len(rest) < 8 {
			return nil, fmt.Errorf("the file ends before storage %.40q", key)
		}
		n := binary.LittleEndian.Uint64(rest)
		rest = rest[8:]
		size := s.n * int64(s.dtype.Size())
		if n != uint64(s.n) || size > int64(len(rest)) {
			return nil, fmt.Errorf("storage %.40q should have %d elements of %v, and has %d in %d bytes", key, s.n, s.dtype, n, len(rest))
		}
		raw := rest[:size:size]
		s.raw = func() ([]byte, error) { return raw, nil }
		rest = rest[size:]
	}
	return (&File{Format: "PyTorch before 1.6"}).finish(root, len(data))
}

// part returns a part of a storage, which files before 0.4 name in place of a tensor's offset: (key, offset, elements), or nil for all of it.
func part(s *storage, v any) (any, error) {
	if v == nil {
		return s, nil
	}
	l, ok := v.(*list)
	if !ok || len(l.items) != 3 {
		return nil, errors.New("the pickle refers to a part of a storage that makes no sense")
	}
	offset, ok := l.items[1].(int64)
	n, ok2 := l.items[2].(int64)
	if !ok || !ok2 || offset < 0 || n < 0 || offset > s.n || n > s.n-offset {
		return nil, fmt.Errorf("the pickle refers to a part of storage %.40q that lies outside of it", s.key)
	}
	es := int64(s.dtype.Size())
	return &storage{key: s.key, dtype: s.dtype, n: n, raw: func() ([]byte, error) {
		raw, err := s.raw()
		if err != nil {
			return nil, err
		}
		return raw[offset*es:][:n*es], nil
	}}, nil
}
