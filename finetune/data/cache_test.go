package data

import "testing"

// The cache never counts more than its room, keeps what was used last, and decodes what is too large each time.
func TestCacheBound(t *testing.T) {
	c := newCache(100)
	decoded := 0
	get := func(name string, bytes int64) {
		if _, err := c.get(name, bytes, func(string) (*picture, error) { decoded++; return &picture{}, nil }); err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, e := range c.entries {
			sum += e.bytes
		}
		if c.used > 100 || c.used != sum || c.recent.Len() != len(c.entries) {
			t.Fatalf("after %s: %d bytes counted, %d kept in %d entries", name, c.used, sum, len(c.entries))
		}
	}
	for _, step := range []struct {
		name    string
		bytes   int64
		decoded int
	}{{"a", 40, 1}, {"b", 40, 2}, {"a", 40, 2}, {"c", 40, 3}, {"a", 40, 3}, {"b", 40, 4}, {"big", 101, 5}, {"b", 40, 5}, {"big", 101, 6}} {
		get(step.name, step.bytes)
		if decoded != step.decoded {
			t.Fatalf("%s: decoded %d photos, want %d", step.name, decoded, step.decoded)
		}
	}
}
