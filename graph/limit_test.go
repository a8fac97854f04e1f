package graph

import (
	"strings"
	"testing"
)

// A model that doubles its input thirty times gets an error, not the memory.
func TestRunsAreBounded(t *testing.T) {
	b := NewBuilder("net")
	x, err := b.Input("x", Type{Uint64, []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	var outs []*Value
	v := x
	for range 30 {
		if v, err = b.Apply1(Concat{Axis: 0}, v, v); err != nil {
			t.Fatal(err)
		}
		outs = append(outs, v)
	}
	for range 8 {
		if v, err = b.Apply1(Add{}, outs[len(outs)-1], v); err != nil {
			t.Fatal(err)
		}
		outs = append(outs, v)
	}
	if _, err := NewSession([]*Value{x}, outs, nil); err == nil || !strings.Contains(err.Error(), "MiB of memory, more than the") {
		t.Errorf("got %v", err)
	}
}
