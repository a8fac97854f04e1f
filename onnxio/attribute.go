package onnxio

import (
	"slices"
	"strings"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// The functions of this file read, take away and make attributes of nodes as files have them.

func attributeOf(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func dropAttribute(n *onnxpb.NodeProto, name string) {
	n.Attribute = slices.DeleteFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.GetName() == name })
}

func takeInts(n *onnxpb.NodeProto, name string) ([]int64, bool) {
	a := attributeOf(n, name)
	dropAttribute(n, name)
	return a.GetInts(), a != nil
}

func takeFloat(n *onnxpb.NodeProto, name string, def float32) float32 {
	if a := attributeOf(n, name); a != nil {
		def = a.GetF()
	}
	dropAttribute(n, name)
	return def
}

func stringOf(n *onnxpb.NodeProto, name string) string {
	return strings.TrimSpace(string(attributeOf(n, name).GetS()))
}

func setString(n *onnxpb.NodeProto, name, value string) {
	dropAttribute(n, name)
	n.Attribute = append(n.Attribute, &onnxpb.AttributeProto{Name: ptr(name), S: []byte(value), Type: onnxpb.AttributeProto_STRING.Enum()})
}

func intAttribute(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: ptr(name), I: ptr(v), Type: onnxpb.AttributeProto_INT.Enum()}
}

func intsAttribute(name string, v []int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: ptr(name), Ints: v, Type: onnxpb.AttributeProto_INTS.Enum()}
}

func floatAttribute(name string, v float32) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: ptr(name), F: ptr(v), Type: onnxpb.AttributeProto_FLOAT.Enum()}
}
