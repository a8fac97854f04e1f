package kernel

import "testing"

func TestChoosePath(t *testing.T) {
	for i := range paths {
		if got := choose(paths[i].path).path; got != paths[i].path {
			t.Errorf("asked for %q, got %q", paths[i].path, got)
		}
	}
	if got := choose("none such").path; got != paths[0].path {
		t.Errorf("asked for an unknown path, got %q, not the best, %q", got, paths[0].path)
	}
	if last := paths[len(paths)-1].path; last != "generic" {
		t.Errorf("the last path is %q", last)
	}
}

func TestCheckEnvironment(t *testing.T) {
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"GANSR_CPU", "", true}, {"GANSR_CPU", "generic", true}, {"GANSR_CPU", "avx", false}, {"GANSR_CPU", "AVX2", false},
		{"GANSR_CONV", "direct", true}, {"GANSR_CONV", "fft24", true}, {"GANSR_CONV", "fft25", false},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			if err := CheckEnvironment(); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
