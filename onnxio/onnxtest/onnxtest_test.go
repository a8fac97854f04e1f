package onnxtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestAdHoc(t *testing.T) {
	root := os.Getenv("ADHOC")
	cases, err := Find(root)
	if err != nil {
		t.Skip(err)
	}
	n := map[Status]int{}
	for _, c := range cases {
		name, _ := filepath.Rel(root, c)
		r := Run(context.Background(), name, c, nil)
		n[r.Status]++
		if r.Status == Fail || os.Getenv("V") != "" {
			t.Log(r)
		}
	}
	t.Log(n)
}
