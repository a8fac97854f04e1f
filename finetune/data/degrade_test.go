package data

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func flat(w, h int, v float32) planes {
	p := newPlanes(w, h)
	for i := range p.pix {
		p.pix[i] = v
	}
	return p
}

// moments returns mean and variance of what was added to a constant.
func moments(pix []float32, base float64) (mean, variance float64) {
	for _, v := range pix {
		mean += (float64(v) - base) / float64(len(pix))
	}
	for _, v := range pix {
		d := float64(v) - base - mean
		variance += d * d / float64(len(pix))
	}
	return mean, variance
}

func TestGaussianNoise(t *testing.T) {
	for _, grey := range []bool{false, true} {
		p := flat(200, 200, 0.5)
		p.gaussianNoise(testRand(3), 20, grey)
		mean, variance := moments(p.pix, 0.5)
		if want := 20.0 * 20 / 255 / 255; math.Abs(variance/want-1) > 0.03 || math.Abs(mean) > 1e-3 {
			t.Errorf("grey %v: mean %g, variance %g, want %g", grey, mean, variance, want)
		}
		if got := slices.Equal(p.plane(0), p.plane(1)) && slices.Equal(p.plane(0), p.plane(2)); got != grey {
			t.Errorf("grey %v: the colours are equal: %v", grey, got)
		}
	}
}

// The variance of shot noise grows with the value, and its third moment is that of a Poisson variable.
func TestPoissonNoise(t *testing.T) {
	for _, v := range []float64{40, 160} { // far enough from 0 and 255 that nothing is clamped
		for _, grey := range []bool{false, true} {
			const scale = 1.5
			p := flat(300, 300, float32(v/255))
			p.poissonNoise(testRand(5), scale, grey)
			mean, variance := moments(p.pix, v/255)
			if want := scale * scale * v / 255 / 255; math.Abs(variance/want-1) > 0.03 || math.Abs(mean) > 1e-3 {
				t.Errorf("%g, grey %v: mean %g, variance %g, want %g", v, grey, mean, variance, want)
			}
			var third float64
			for _, x := range p.pix {
				third += math.Pow((float64(x)*255-v)/scale, 3) / float64(len(p.pix))
			}
			if math.Abs(third/v-1) > 0.5 && v == 40 {
				t.Errorf("%g, grey %v: third moment %g, want %g", v, grey, third, v)
			}
		}
	}
	black := flat(8, 8, 0)
	black.poissonNoise(testRand(1), 3, false)
	if slices.Max(black.pix) != 0 {
		t.Error("black has shot noise")
	}
}

// A blurred point is the kernel, with the moments that its parameters say.
func TestBlurOfPoint(t *testing.T) {
	point := newPlanes(31, 31)
	for c := range 3 {
		point.row(c, 15)[15] = 1
	}
	spread := func(p planes) (sum, xx, yy, xy float64) {
		for y := range p.h {
			for x, v := range p.row(1, y) {
				dx, dy := float64(x-15), float64(y-15)
				sum, xx, yy, xy = sum+float64(v), xx+float64(v)*dx*dx, yy+float64(v)*dy*dy, xy+float64(v)*dx*dy
			}
		}
		return
	}
	// Gaussian: the covariance is the rotated one.
	s1, s2, theta := 2.0, 1.0, 0.6
	sum, xx, yy, xy := spread(point.blurred(generalGaussian(10, s1, s2, theta, 1)))
	cos, sin := math.Cos(theta), math.Sin(theta)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"sum", sum, 1}, {"xx", xx, s1*s1*cos*cos + s2*s2*sin*sin}, {"yy", yy, s1*s1*sin*sin + s2*s2*cos*cos}, {"xy", xy, (s1*s1 - s2*s2) * sin * cos}} {
		if math.Abs(c.got-c.want) > 2e-3 {
			t.Errorf("Gaussian, %s: %g, want %g", c.name, c.got, c.want)
		}
	}
	at := func(k blurKernel, x, y int) float64 { return k.weights[(y+k.radius)*(2*k.radius+1)+x+k.radius] }
	if k := generalGaussian(7, 2, 2, 0, 3); math.Abs(at(k, 2, 0)/at(k, 0, 0)-math.Exp(-0.5)) > 1e-12 || at(k, 1, 0)/at(k, 0, 0) < 0.98 {
		t.Error("a generalised Gaussian of high beta is not flat inside a standard deviation")
	}
	if k := plateau(7, 2, 2, 0, 2); math.Abs(at(k, 2, 0)/at(k, 0, 0)-0.5) > 1e-12 {
		t.Error("a plateau does not fall to a half at a standard deviation")
	}
	// The sinc filter keeps frequencies below its cutoff and stops those above.
	k := sinc(10, math.Pi/2)
	response := func(w float64) (sum float64) {
		for x := -10; x <= 10; x++ {
			for y := -10; y <= 10; y++ {
				sum += at(k, x, y) * math.Cos(w*float64(x))
			}
		}
		return
	}
	if low, high := response(math.Pi/4), response(math.Pi*0.8); math.Abs(low-1) > 0.1 || math.Abs(high) > 0.1 {
		t.Errorf("sinc passes %g below its cutoff and %g above", low, high)
	}
	if got, want := at(k, 1, 0)/at(k, 0, 0), 2*0.5668240888/(math.Pi/2); math.Abs(got-want) > 1e-9 { // 2 J1(w)/w
		t.Errorf("sinc falls to %g a pixel from its centre, want %g", got, want)
	}
	if slices.Min(k.weights) >= 0 {
		t.Error("the sinc filter has no ringing")
	}
}

// Blur keeps a constant, also in pictures smaller than the kernel.
func TestBlurOfConstant(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {2, 3}, {30, 5}} {
		for i, v := range flat(size.X, size.Y, 0.25).blurred(sinc(10, 1)).pix {
			if math.Abs(float64(v)-0.25) > 1e-5 {
				t.Fatalf("%v, element %d: %g", size, i, v)
			}
		}
	}
}

// JPEG of low quality leaves steps at the borders of its 8x8 blocks that are larger than those inside; high quality keeps the picture.
func TestJPEG(t *testing.T) {
	p := newPlanes(64, 64)
	for c := range 3 {
		for y := range p.h {
			for x := range p.w {
				p.row(c, y)[x] = float32(0.5 + 0.3*math.Sin(float64(x)/9+float64(y)/7))
			}
		}
	}
	steps := func(p planes) (border, inside float64) {
		for y := range p.h {
			row := p.row(0, y)
			for x := 1; x < p.w; x++ {
				d := math.Abs(float64(row[x] - row[x-1]))
				if x%8 == 0 {
					border += d / 7
				} else {
					inside += d / 56
				}
			}
		}
		return
	}
	distance := func(q planes) (sum float64) {
		for i, v := range q.pix {
			sum += math.Abs(float64(v - p.pix[i]))
		}
		return sum / float64(len(p.pix))
	}
	bad, err := p.compressed(5)
	if err != nil {
		t.Fatal(err)
	}
	good, err := p.compressed(98)
	if err != nil {
		t.Fatal(err)
	}
	if b, i := steps(bad); b < 1.5*i {
		t.Errorf("quality 5: steps of %g at blocks, %g inside", b, i)
	}
	if b, i := steps(good); b > 1.3*i {
		t.Errorf("quality 98: steps of %g at blocks, %g inside", b, i)
	}
	if db, dg := distance(bad), distance(good); dg > 0.005 || db < 4*dg {
		t.Errorf("mean error %g at quality 5, %g at 98", db, dg)
	}
}

func TestDegradations(t *testing.T) {
	hr := newPlanes(64, 64)
	noise := testRand(9)
	for i := range hr.pix {
		hr.pix[i] = float32(noise.IntN(256)) / 255
	}
	for _, d := range []*Degradation{Light(), Real()} {
		if err := d.check(); err != nil {
			t.Fatal(err)
		}
		var first planes
		for seed := range uint64(40) {
			before := slices.Clone(hr.pix)
			a, err := d.apply(testRand(seed), hr, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := d.apply(testRand(seed), hr, 16, 16)
			if !slices.Equal(hr.pix, before) {
				t.Fatal("the HR patch was changed")
			}
			if a.w != 16 || a.h != 16 || !slices.Equal(a.pix, b.pix) {
				t.Fatalf("%s, seed %d: %dx%d, or not the same again", d.Name, seed, a.w, a.h)
			}
			for _, v := range a.pix {
				if v < 0 || v > 1 || float32(level(v))/255 != v {
					t.Fatalf("%s, seed %d: %g is no 8-bit value in 0..1", d.Name, seed, v)
				}
			}
			if seed == 0 {
				first = a
			} else if slices.Equal(a.pix, first.pix) {
				t.Errorf("%s: seeds 0 and %d agree", d.Name, seed)
			}
		}
	}
}

// Draws follow the ranges and probabilities of the round.
func TestDraws(t *testing.T) {
	r := Real().Rounds[0]
	rng := testRand(2)
	var up, down, keep int
	for range 20000 {
		switch f := r.factor(rng); {
		case f < 0.15 || f > 1.5:
			t.Fatalf("factor %g", f)
		case f > 1:
			up++
		case f < 1:
			down++
		default:
			keep++
		}
	}
	for _, c := range []struct {
		n    int
		want float64
	}{{up, 0.2}, {down, 0.7}, {keep, 0.1}} {
		if math.Abs(float64(c.n)/20000-c.want) > 0.015 {
			t.Errorf("enlarged %d, reduced %d, kept %d of 20000", up, down, keep)
			break
		}
	}
	ringing, radii := 0, map[int]bool{}
	for range 2000 {
		k := r.kernel(rng)
		radii[k.radius] = true
		if slices.Min(k.weights) < 0 {
			ringing++
		}
		var sum float64
		for _, w := range k.weights {
			sum += w
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("a kernel sums to %g", sum)
		}
	}
	if len(radii) != 8 || ringing < 140 || ringing > 260 {
		t.Errorf("%d sizes of kernels, %d of 2000 sinc filters", len(radii), ringing)
	}
}

func TestDegradationCheck(t *testing.T) {
	for name, change := range map[string]func(*Degradation){
		"no rounds":   func(d *Degradation) { d.Rounds = nil },
		"probability": func(d *Degradation) { d.Rounds[0].Blur = 1.5 },
		"NaN":         func(d *Degradation) { d.Rounds[0].Sigma.Min = math.NaN() },
		"sigma 0":     func(d *Degradation) { d.Rounds[0].Sigma.Min = 0 },
		"quality":     func(d *Degradation) { d.Rounds[1].Quality.Max = 101 },
		"backwards":   func(d *Degradation) { d.Rounds[0].Factor = Range{2, 1} },
		"kernels":     func(d *Degradation) { d.Rounds[0].Kernels = []float64{1} },
		"no weight":   func(d *Degradation) { d.Rounds[0].Resize = []float64{0, 0, 0} },
	} {
		d := Real()
		change(d)
		if d.check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestTurned(t *testing.T) {
	p := newPlanes(3, 2)
	for i := range p.pix {
		p.pix[i] = float32(i)
	}
	seen := map[string]bool{}
	for position := range 8 {
		q := p.turned(position)
		seen[string(bytesOf(q))] = true
		if position == 5 { // transposed, then mirrored: a quarter turn clockwise
			want := []float32{3, 0, 4, 1, 5, 2}
			if q.w != 2 || q.h != 3 || !slices.Equal(q.plane(0), want) {
				t.Errorf("quarter turn: %v", q.plane(0))
			}
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d different positions", len(seen))
	}
}

func bytesOf(p planes) []byte {
	var b bytes.Buffer
	b.WriteByte(byte(p.w))
	for _, v := range p.pix {
		b.WriteByte(byte(v))
	}
	return b.Bytes()
}

func BenchmarkReal(b *testing.B) {
	hr := flat(256, 256, 0.4)
	for i := range b.N {
		if _, err := Real().apply(testRand(uint64(i)), hr, 64, 64); err != nil {
			b.Fatal(err)
		}
	}
}
