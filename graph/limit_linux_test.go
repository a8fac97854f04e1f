package graph

import (
	"math"
	"testing"
)

func TestGroupMemory(t *testing.T) {
	files := map[string]string{"/a/b/memory.max": "max\n", "/a/memory.max": "5000\n", "/memory.max": "7000\n", "/memory/x/memory.limit_in_bytes": "300\n",
		"/memory/memory.limit_in_bytes": "9223372036854771712\n"}
	for groups, want := range map[string]int64{
		"0::/a/b\n":                            5000,
		"0::/elsewhere\n":                      7000,
		"12:cpu,memory:/x\n0::/none":           300,
		"3:memory:/\n":                         9223372036854771712,
		"3:memoryless:/x\n":                    math.MaxInt64,
		"nonsense\n":                           math.MaxInt64,
		"":                                     math.MaxInt64,
		"1:name=systemd:/a\n5:memory:/x/y/z\n": 300,
	} {
		if got := groupMemory(groups, func(path string) string { return files[path] }); got != want {
			t.Errorf("%q: %d, want %d", groups, got, want)
		}
	}
	if m := SystemMemory(); m < 1<<20 || m > maxMemory {
		t.Errorf("the system has %d bytes", m)
	}
}
