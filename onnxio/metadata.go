package onnxio

import "github.com/gansr/gansr/onnxio/internal/onnxpb"

// Metadata returns a copy of the model's metadata_props. Of entries with the same key the last counts.
func (m *Model) Metadata() map[string]string {
	md := make(map[string]string, len(m.pb.MetadataProps))
	for _, e := range m.pb.MetadataProps {
		md[e.GetKey()] = e.GetValue()
	}
	return md
}

// SetMetadata changes an entry of the model's metadata_props in place, or appends it.
func (m *Model) SetMetadata(key, value string) {
	for i := len(m.pb.MetadataProps) - 1; i >= 0; i-- {
		if e := m.pb.MetadataProps[i]; e.GetKey() == key {
			e.Value = &value
			return
		}
	}
	m.pb.MetadataProps = append(m.pb.MetadataProps, &onnxpb.StringStringEntryProto{Key: &key, Value: &value})
}
