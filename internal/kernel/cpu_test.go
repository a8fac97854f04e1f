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
