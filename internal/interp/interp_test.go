package interp

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestLine compares with Pillow, PyTorch and the definition of MATLAB's imresize.
func TestLine(t *testing.T) {
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Method         string
		Source, Result []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	methods := map[string]Method{
		"pillow-bicubic": Bicubic, "pillow-bilinear": Bilinear, "torch-bicubic": Bicubic, "torch-bilinear": Bilinear,
		"torch-sharp-bilinear": SharpBilinear, "matlab-bicubic": Imresize,
	}
	seen := map[string]int{}
	for _, c := range cases {
		n, m := len(c.Source), len(c.Result)
		ratio := float64(n) / float64(m)
		var line []Taps
		if c.Method == "torch-area" {
			line = Area(0, m, ratio, n)
		} else if method, ok := methods[c.Method]; ok {
			line = method.Line(0, m, ratio, 0, n)
		} else {
			t.Fatalf("unknown method %q", c.Method)
		}
		seen[c.Method]++
		for i, want := range c.Result {
			if got := apply(line[i], c.Source); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s, %d to %d, sample %d: %v, want %v", c.Method, n, m, i, got, want)
			}
		}
	}
	for name := range methods {
		if seen[name] == 0 {
			t.Errorf("no case of %s", name)
		}
	}
}

func apply(t Taps, line []float64) (sum float64) {
	for i, w := range t.Weights {
		sum += float64(w) * line[t.Lo+i]
	}
	return sum
}

// Every method keeps a constant line constant and reads inside the line, at any ratio.
func TestWeights(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 50} {
		for _, m := range []int{1, 2, 5, 33, 128} {
			ratio := float64(n) / float64(m)
			lines := [][]Taps{Area(0, m, ratio, n)}
			for _, method := range []Method{Bicubic, Imresize, Bilinear, SharpBicubic, SharpBilinear} {
				lines = append(lines, method.Line(0, m, ratio, 0, n))
			}
			for k, line := range lines {
				for i, taps := range line {
					var sum float64
					for _, w := range taps.Weights {
						sum += float64(w)
					}
					if math.Abs(sum-1) > 1e-6 || taps.Lo < 0 || taps.Lo+len(taps.Weights) > n {
						t.Fatalf("method %d, %d to %d, sample %d: sum %v of samples %d to %d", k, n, m, i, sum, taps.Lo, taps.Lo+len(taps.Weights))
					}
				}
			}
		}
	}
}

// The average over an uneven stretch counts the samples at its ends in part.
func TestAreaFractions(t *testing.T) {
	line := Area(0, 2, 2.5, 5)
	if got := apply(line[0], []float64{1, 2, 3, 4, 5}); math.Abs(got-(1+2+1.5)/2.5) > 1e-6 {
		t.Errorf("first stretch: %v", got)
	}
	if got := apply(line[1], []float64{1, 2, 3, 4, 5}); math.Abs(got-(1.5+4+5)/2.5) > 1e-6 {
		t.Errorf("second stretch: %v", got)
	}
}
