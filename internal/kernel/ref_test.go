package kernel

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// TestRefConv compares the references with PyTorch; see testdata/convolutions.py. All numbers are exact.
func TestRefConv(t *testing.T) {
	var cases []struct {
		C, OC, Groups                                 int
		In, Kernel, Strides, Dilations, Pads, OutPads []int
		X, W, WT, B, Y, YT                            []float64
		YShape, YTShape                               []int
	}
	data, err := os.ReadFile("testdata/convolutions.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 7 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		s := ShapeND{
			N: 2, C: c.C, OC: c.OC, Groups: c.Groups, In: c.In, Kernel: c.Kernel, Strides: c.Strides, Dilations: c.Dilations,
			PadsBegin: c.Pads, PadsEnd: c.Pads, OutPads: c.OutPads,
		}
		if got := s.Out(); fmt.Sprint(got) != fmt.Sprint(c.YShape[2:]) {
			t.Errorf("%+v: output %v, want %v", s, got, c.YShape)
		}
		if got := s.TransposedOut(); fmt.Sprint(got) != fmt.Sprint(c.YTShape[2:]) {
			t.Errorf("%+v: transposed output %v, want %v", s, got, c.YTShape)
		}
		y, yt := make([]float64, len(c.Y)), make([]float64, len(c.YT))
		RefConv(s, y, c.X, c.W, c.B)
		RefConvTranspose(s, yt, c.X, c.WT, c.B)
		for i, v := range y {
			if v != c.Y[i] {
				t.Fatalf("%+v: element %d is %v, want %v", s, i, v, c.Y[i])
			}
		}
		for i, v := range yt {
			if v != c.YT[i] {
				t.Fatalf("%+v: transposed, element %d is %v, want %v", s, i, v, c.YT[i])
			}
		}
	}
}
