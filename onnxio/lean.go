package onnxio

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Weights are nearly all of most files. The functions here read and write them straight from and to the memory of tensors, so that a model
// is in memory once: the rest of the file goes through package proto.

// leanBytes is how large a tensor's raw_data must be to be handled apart.
const leanBytes = 1 << 12

// Fields of the messages that lead to weights.
const (
	modelGraph       = 7
	modelMetadata    = 14
	graphNode        = 1
	graphInitializer = 5
	nodeAttribute    = 5
	attributeTensor  = 5
	tensorName       = 8
	tensorRaw        = 9
)

// level is a kind of message, with the fields that are looked into.
type level map[protowire.Number]level

var (
	tensorLevel = level{}
	modelLevel  = level{modelGraph: {graphInitializer: tensorLevel, graphNode: {nodeAttribute: {attributeTensor: tensorLevel}}}}
)

// leanReader takes large raw_data out of a model's file, and leaves a token in its place.
type leanReader struct {
	r     *bufio.Reader
	like  map[string]*onnxpb.TensorProto // whose raw_data may be shared
	token []byte                         // the beginning of all tokens, which nobody can foresee
	large [][]byte
}

// readModel reads a file of size bytes. Large data that equals that of the initialiser of its name in like shares its memory.
func readModel(r io.Reader, size int64, like map[string]*onnxpb.TensorProto) (*onnxpb.ModelProto, error) {
	l := &leanReader{r: bufio.NewReaderSize(r, 1<<16), like: like, token: make([]byte, 16)}
	if _, err := rand.Read(l.token); err != nil {
		return nil, err
	}
	rest, err := l.message(nil, size, modelLevel)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	pb := &onnxpb.ModelProto{}
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(rest, pb); err != nil {
		return nil, err
	}
	put := func(t *onnxpb.TensorProto) {
		if at, ok := bytes.CutPrefix(t.GetRawData(), l.token); ok {
			t.RawData = l.large[binary.LittleEndian.Uint64(at)]
		}
	}
	for _, t := range pb.GetGraph().GetInitializer() {
		put(t)
	}
	for _, n := range pb.GetGraph().GetNode() {
		for _, a := range n.GetAttribute() {
			put(a.GetT())
		}
	}
	return pb, nil
}

// message appends a message of n bytes to out.
func (l *leanReader) message(out []byte, n int64, at level) ([]byte, error) {
	name, groups := "", 0
	for n > 0 {
		tag, k, err := l.varint()
		if n -= int64(k); err != nil || n < 0 {
			return nil, orTooLong(err)
		}
		num, kind := protowire.DecodeTag(tag)
		if num < 1 {
			return nil, errors.New("a field without a number")
		}
		size := int64(0)
		switch kind {
		case protowire.VarintType:
			v, k, err := l.varint()
			if n -= int64(k); err != nil || n < 0 {
				return nil, orTooLong(err)
			}
			out = protowire.AppendVarint(protowire.AppendTag(out, num, kind), v)
			continue
		case protowire.BytesType:
			v, k, err := l.varint()
			if n -= int64(k); err != nil || n < 0 || v > uint64(n) {
				return nil, orTooLong(err)
			}
			size = int64(v)
		case protowire.Fixed32Type:
			size = 4
		case protowire.Fixed64Type:
			size = 8
		case protowire.StartGroupType:
			groups++
		case protowire.EndGroupType:
			groups--
		default:
			return nil, fmt.Errorf("a field of the unknown kind %d", kind)
		}
		if n -= size; n < 0 {
			return nil, orTooLong(nil)
		}
		out = protowire.AppendTag(out, num, kind)
		sub, known := at[num]
		switch {
		case kind == protowire.BytesType && groups == 0 && known:
			from := len(out)
			if out, err = l.message(append(out, make([]byte, lengthBytes)...), size, sub); err != nil {
				return nil, err
			}
			putLength(out[from:], len(out)-from-lengthBytes)
			continue
		case kind == protowire.BytesType && groups == 0 && isTensor(at) && num == tensorRaw && size >= leanBytes:
			data, err := l.data(size, name)
			if err != nil {
				return nil, err
			}
			out = protowire.AppendVarint(out, uint64(len(l.token)+8))
			out = binary.LittleEndian.AppendUint64(append(out, l.token...), uint64(len(l.large)))
			l.large = append(l.large, data)
			continue
		case kind == protowire.BytesType:
			out = protowire.AppendVarint(out, uint64(size))
		}
		from := len(out)
		if out, err = l.copy(out, size); err != nil {
			return nil, err
		}
		if isTensor(at) && num == tensorName && kind == protowire.BytesType {
			name = string(out[from:])
		}
	}
	return out, nil
}

func isTensor(at level) bool { return at != nil && len(at) == 0 }

func orTooLong(err error) error {
	if err == nil {
		err = errors.New("a field is longer than the message that it is in")
	}
	return err
}

// lengthBytes is how many bytes the length of a message takes that is not known when it begins.
const lengthBytes = 5

func putLength(to []byte, n int) {
	for i := range lengthBytes {
		to[i] = byte(n>>(7*i))&0x7f | 0x80
	}
	to[lengthBytes-1] &= 0x7f
}

// varint reads a number, and says of how many bytes.
func (l *leanReader) varint() (v uint64, n int, err error) {
	for n < binary.MaxVarintLen64 {
		b, err := l.r.ReadByte()
		if err != nil {
			return 0, n, err
		}
		v |= uint64(b&0x7f) << (7 * n)
		if n++; b < 0x80 {
			return v, n, nil
		}
	}
	return 0, n, errors.New("a number of more than ten bytes")
}

// copy appends n bytes of the file, of which no more are allocated at once than there may be.
func (l *leanReader) copy(out []byte, n int64) ([]byte, error) {
	const most = 1 << 20
	for n > 0 {
		k := int(min(n, most))
		from := len(out)
		out = append(out, make([]byte, k)...)
		if _, err := io.ReadFull(l.r, out[from:]); err != nil {
			return nil, err
		}
		n -= int64(k)
	}
	return out, nil
}

// data reads n bytes, and returns those of the tensor of that name in like if they are equal.
func (l *leanReader) data(n int64, name string) ([]byte, error) {
	same := l.like[name].GetRawData()
	if int64(len(same)) != n {
		data := make([]byte, n)
		_, err := io.ReadFull(l.r, data)
		return data, err
	}
	chunk := make([]byte, min(n, 1<<16))
	for at := 0; at < len(same); at += len(chunk) {
		chunk = chunk[:min(len(chunk), len(same)-at)]
		if _, err := io.ReadFull(l.r, chunk); err != nil {
			return nil, err
		}
		if !bytes.Equal(chunk, same[at:at+len(chunk)]) {
			data := make([]byte, n)
			copy(data[copy(data, same[:at]):], chunk)
			_, err := io.ReadFull(l.r, data[at+len(chunk):])
			return data, err
		}
	}
	return same, nil
}

// without returns a message that shares all but one field with m.
func without[M proto.Message](m M, field protowire.Number) M {
	from := m.ProtoReflect()
	to := from.New()
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Number() != field {
			to.Set(fd, v)
		}
		return true
	})
	to.SetUnknown(from.GetUnknown())
	c, _ := to.Interface().(M)
	return c
}

// marshal returns the fields of m up to a number, and those behind it.
func marshal(m proto.Message, field protowire.Number) (before, after []byte, err error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, nil, err
	}
	at := 0
	for at < len(data) {
		num, _, n := protowire.ConsumeField(data[at:])
		if n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		if num > field {
			break
		}
		at += n
	}
	return data[:at:at], data[at:], nil
}

// segments returns a file of pb, in the order of fields that package proto has, in parts. The data of large initialisers is the tensors' own.
func segments(pb *onnxpb.ModelProto) ([][]byte, error) {
	before, after, err := marshal(without(pb.Graph, graphInitializer), graphInitializer)
	if err != nil {
		return nil, err
	}
	graph := [][]byte{before}
	small := func(b []byte) { graph[len(graph)-1] = append(graph[len(graph)-1], b...) }
	for _, t := range pb.Graph.Initializer {
		if len(t.RawData) < leanBytes {
			data, err := proto.MarshalOptions{Deterministic: true}.Marshal(t)
			if err != nil {
				return nil, err
			}
			small(protowire.AppendBytes(protowire.AppendTag(nil, graphInitializer, protowire.BytesType), data))
			continue
		}
		before, after, err := marshal(without(t, tensorRaw), tensorRaw)
		if err != nil {
			return nil, err
		}
		before = protowire.AppendVarint(protowire.AppendTag(before, tensorRaw, protowire.BytesType), uint64(len(t.RawData)))
		small(protowire.AppendVarint(protowire.AppendTag(nil, graphInitializer, protowire.BytesType), uint64(len(before)+len(t.RawData)+len(after))))
		small(before)
		graph = append(graph, t.RawData, after)
	}
	small(after)
	size := 0
	for _, s := range graph {
		size += len(s)
	}
	before, after, err = marshal(without(pb, modelGraph), modelGraph)
	if err != nil {
		return nil, err
	}
	before = protowire.AppendVarint(protowire.AppendTag(before, modelGraph, protowire.BytesType), uint64(size))
	return slices.Concat([][]byte{before}, graph, [][]byte{after}), nil
}

// copyOf returns a copy of pb that shares the data of its initialisers, which may be replaced in the copy but not written to.
func copyOf(pb *onnxpb.ModelProto) (*onnxpb.ModelProto, error) {
	head := without(pb, modelGraph)
	head.Graph = without(pb.Graph, graphInitializer)
	c, ok := proto.Clone(head).(*onnxpb.ModelProto)
	if !ok {
		return nil, errors.New("the model cannot be copied")
	}
	for _, t := range pb.Graph.Initializer {
		n, ok := proto.Clone(without(t, tensorRaw)).(*onnxpb.TensorProto)
		if !ok {
			return nil, errors.New("the model cannot be copied")
		}
		n.RawData = t.RawData
		c.Graph.Initializer = append(c.Graph.Initializer, n)
	}
	return c, nil
}
