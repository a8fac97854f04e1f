package models

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
)

// smallNetworks are variants of architectures, small enough to run. TestReference compares them with PyTorch; here they show that what is built
// runs at several sizes, and is recognised.
var smallNetworks = []struct {
	arch, params  string
	channels      int
	height, width int // of an image that the network takes
	scale, less   int // the output's size is scale times the input's, less some pixels
}{
	{"RRDBNet", "num_feat=4 num_block=1 num_grow_ch=2 plus=true", 3, 5, 4, 4, 0},
	{"RRDBNet", "num_feat=4 num_block=1 num_grow_ch=2 scale=2", 3, 5, 7, 2, 0},
	{"RRDBNet", "num_feat=4 num_block=1 num_grow_ch=2 scale=8", 3, 5, 4, 8, 0},
	{"RRDBNet", "num_feat=4 num_block=1 num_grow_ch=2 scale=2 unshuffle=1", 3, 5, 4, 2, 0},
	{"SPAN", "feature_channels=4 upscale=2", 3, 5, 6, 2, 0},
	{"SPAN", "num_in_ch=1 num_out_ch=1 feature_channels=4 upscale=3 norm=false img_range=1 rgb_mean=0", 1, 5, 6, 3, 0},
	{"PLKSR", "dim=8 n_blocks=1 kernel_size=9 upscaling_factor=2", 3, 5, 6, 2, 0},
	{"PLKSR", "dim=8 n_blocks=1 ccm_type=DCCM lk_type=SparsePLK kernel_size=5", 3, 5, 6, 4, 0},
	{"PLKSR", "dim=8 n_blocks=1 ccm_type=ICCM lk_type=RectSparsePLK kernel_size=9 use_ea=false", 3, 5, 6, 4, 0},
	{"RealPLKSR", "dim=8 n_blocks=1 kernel_size=9 upscaling_factor=2", 3, 5, 6, 2, 0},
	{"RealPLKSR", "dim=8 n_blocks=1 kernel_size=9 upscaling_factor=3 layer_norm=true dysample=3", 3, 5, 6, 3, 0},
	{"MoSR", "dim=8 n_block=1 upscale=2 conv_ratio=0.5", 3, 5, 6, 2, 0},
	{"MoSR", "dim=8 n_block=1 upscale=2 upsampler=gps", 3, 5, 6, 2, 0},
	{"MoSR", "dim=8 n_block=1 upscale=2 upsampler=dys", 3, 5, 6, 2, 0},
	{"DRUNet", "in_nc=3 nc=2,3,4,5 nb=1", 3, 9, 11, 1, 0},
	{"DRUNet", "in_nc=4 nc=2,3,4,5 nb=2 noise=15", 3, 9, 11, 1, 0},
	{"NAFNet", "width=4 middle_blk_num=1 enc_blk_nums=1,1 dec_blk_nums=1,2", 3, 9, 11, 1, 0},
	{"SAFMN", "dim=8 n_blocks=1 upscaling_factor=2", 3, 9, 16, 2, 0},
	{"RealCUGAN", "widths1=2,3,4,5,6,2,8 widths2=2,3,4,5,6,2,7,8,9,2,10,11,2,12 scale=1", 3, 30, 33, 1, 0},
	{"RealCUGAN", "widths1=2,3,4,5,6,2,8 widths2=2,3,4,5,6,2,7,8,9,2,10,11,2,12 scale=2 pro=false", 3, 21, 20, 2, 0},
	{"RealCUGAN", "widths1=2,3,4,5,6,2,8 widths2=2,3,4,5,6,2,7,8,9,2,10,11,2,12 scale=3", 3, 21, 20, 3, 0},
	{"RealCUGAN", "widths1=2,3,4,5,6,2,8 widths2=2,3,4,5,6,2,7,8,9,2,10,11,2,12 scale=4 middle=5", 3, 21, 20, 4, 0},
	{"RealCUGAN", "widths1=2,3,4,5,6,2,8 widths2=2,3,4,5,6,2,7,8,9,2,10,11,2,12 fast=true middle=5", 3, 43, 40, 2, 0},
	{"EDSR", "n_feats=4 n_resblocks=2 scale=3", 3, 5, 6, 3, 0},
	{"EDSR", "n_feats=4 n_resblocks=2 scale=8 n_colors=1 mean_shift=none rgb_range=1 res_scale=0.1", 1, 5, 6, 8, 0},
	{"MDSR", "n_feats=4 n_resblocks=2 scale=3", 3, 5, 6, 3, 0},
	{"MSRResNet", "num_feat=4 num_block=2 upscale=3", 3, 5, 6, 3, 0},
	{"MSRResNet", "num_feat=4 num_block=2 upscale=2", 3, 5, 6, 2, 0},
	{"MSRResNet0", "nc=4 nb=2 upscale=3", 3, 5, 6, 3, 0},
	{"MSRResNet0", "nc=4 nb=2 upscale=4 upsample_mode=pixelshuffle", 3, 5, 6, 4, 0},
	{"MSRResNet0", "nc=4 nb=2 upscale=4 upsample_mode=convtranspose", 3, 5, 6, 4, 0},
	{"RCAN", "n_feats=8 n_resgroups=2 n_resblocks=1 reduction=4 scale=2 unshuffle_mod=true", 3, 6, 4, 2, 0},
	{"RCAN", "n_feats=8 n_resgroups=1 n_resblocks=2 reduction=4 scale=3", 3, 5, 6, 3, 0},
	{"SRResNet", "num_feat=4 num_block=2 scale=3", 3, 5, 6, 3, 0},
	{"SRResNet", "style=trunk num_feat=4 num_block=2", 3, 5, 6, 4, 0},
	{"SRResNet", "style=conv_block num_feat=4 num_block=2", 3, 5, 6, 4, 0},
	{"SRResNet", "style=res_blocks num_feat=4 num_block=2 scale=2", 3, 5, 6, 2, 0},
	{"SRResNet", "style=residual num_feat=4 num_block=2", 3, 5, 6, 4, 0},
	{"FastSRGAN", "num_feat=4 num_block=2", 3, 5, 6, 4, 0},
	{"SwiftSRGAN", "num_channels=4 num_blocks=1 upscale_factor=2", 3, 5, 6, 2, 0},
	{"IMDN", "nf=8 distilled=2 squeezed=2 num_modules=2 upscale=3", 3, 5, 6, 3, 0},
	{"RFDN", "nf=8 distilled=4 esa_channels=2 num_modules=2 upscale=2", 3, 16, 15, 2, 0},
	{"RLFN", "feature_channels=6 mid_channels=4 esa_channels=2 num_block=2 upscale=2", 3, 16, 15, 2, 0},
	{"PAN", "nf=6 unf=4 nb=2", 3, 5, 6, 4, 0},
	{"PAN", "nf=6 unf=4 nb=1 scale=3", 3, 5, 6, 3, 0},
	{"CARN", "n_feats=4 scale=3", 3, 5, 6, 3, 0},
	{"CARN", "n_feats=8 group=4 mobile=true multi_scale=false scales=4", 3, 5, 6, 4, 0},
	{"DnCNN", "nc=4 nb=5", 1, 5, 6, 1, 0},
	{"DnCNN", "nc=4 nb=9 act_mode=R in_nc=3 mode=FDnCNN", 3, 5, 6, 1, 0},
	{"DnCNN", "nc=4 nb=7 act_mode=R mode=IRCNN", 1, 5, 6, 1, 0},
	{"DnCNN", "nc=4 nb=5 bias=first", 1, 5, 6, 1, 0},
	{"SRCNN", "widths=4,3 kernels=9,1,5 scale=2", 1, 5, 6, 2, 0},
	{"VDSR", "num_feat=4 num_conv=2 scale=3", 1, 5, 6, 3, 0},
	{"FSRCNN", "d=4 s=3 m=2 scale_factor=3", 1, 5, 6, 3, 0},
	{"ESPCN", "widths=4,4,3 kernels=5,3,3,3 scale_factor=3 act_type=relu", 1, 5, 6, 3, 0},
	{"ESPCN", "widths=4,3 scale_factor=2", 1, 5, 6, 2, 0},
	{"Waifu2x", "widths=4,4,6,6,8,8", 3, 16, 18, 2, 28},
	{"Waifu2x", "widths=4,4,6,6,8,8 scale=1", 3, 16, 18, 1, 14},
	{"Waifu2x", "widths=4,4,6,6,8,8 scale=1 pad=7", 3, 3, 4, 1, 0},
}

// parameters reads KEY=VALUE pairs.
func parameters(text string) map[string]string {
	all := map[string]string{}
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		all[key] = value
	}
	return all
}

func TestSmallNetworks(t *testing.T) {
	for _, c := range smallNetworks {
		m := build(t, c.arch, parameters(c.params))
		for _, size := range [][2]int{{c.height, c.width}, {c.height + 8, c.width + 12}} {
			x := graph.NewTensor(graph.Float32, 2, c.channels, size[0], size[1])
			for i := range graph.Data[float32](x) {
				graph.Data[float32](x)[i] = float32(i*31%101) / 101
			}
			y := run(t, m, x)
			if want := []int{2, c.channels, c.scale*size[0] - c.less, c.scale*size[1] - c.less}; !slices.Equal(y.Shape(), want) {
				t.Errorf("%s %s: %v becomes %v, want %v", c.arch, c.params, x.Shape(), y.Shape(), want)
			}
			low, high := math.Inf(1), math.Inf(-1)
			for _, v := range graph.Data[float32](y) {
				low, high = min(low, float64(v)), max(high, float64(v))
			}
			if !(high > low) || math.IsInf(high-low, 0) {
				t.Errorf("%s %s: the output is from %v to %v", c.arch, c.params, low, high)
			}
		}
	}
}

// A convolution of groups is one of zeros between them, and convolutions that do not fit are refused. TestReference compares what merging computes.
func TestMerge(t *testing.T) {
	fill := func(shape ...int) *graph.Tensor {
		x := graph.NewTensor(graph.Float32, shape...)
		for i := range graph.Data[float32](x) {
			graph.Data[float32](x)[i] = float32((i*37+len(shape)*11)%19-9) / 9
		}
		return x
	}
	grouped, err := kernelOf(fill(4, 2, 3, 3), fill(4), 2)
	if err != nil {
		t.Fatal(err)
	}
	for o := range 4 { // an output channel sees the inputs of its own group alone
		for i := range 4 {
			zero := !slices.ContainsFunc(grouped.weight[grouped.at(o, i, 0, 0):][:9], func(v float64) bool { return v != 0 })
			if zero == (o/2 == i/2) {
				t.Errorf("output %d and input %d: the weights are zero: %v", o, i, zero)
			}
		}
	}
	made := func(out, in, height, width int) *kernel {
		k, err := newKernel(out, in, height, width)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, bad := range []func() error{
		func() error { _, err := kernelOf(fill(4, 2, 3), nil, 1); return err },
		func() error { _, err := kernelOf(fill(4, 2, 3, 3), fill(3), 1); return err },
		func() error { _, err := kernelOf(fill(4, 2, 3, 3), nil, 3); return err },
		func() error { _, err := newKernel(1<<20, 1<<20, 3, 3); return err },
		func() error { _, err := made(2, 3, 1, 1).then(made(2, 3, 1, 1)); return err },
		func() error { _, err := made(1, 1<<20, 1, 1).then(made(1<<20, 1, 1, 1)); return err },
		func() error { _, err := made(2, 3, 1, 1).plus(made(2, 3, 2, 2)); return err },
	} {
		if bad() == nil {
			t.Error("convolutions that do not fit are merged")
		}
	}
}

// Tensors whose names or shapes lie are refused, quickly and without a panic.
func TestHostileStates(t *testing.T) {
	refused := func(arch, name string, bad map[string]*graph.Tensor) {
		t.Helper()
		for _, a := range Architectures() {
			if a.detect != nil {
				a.detect(keys{bad})
			}
		}
		if _, _, err := FromState(bad, arch, nil); err == nil {
			t.Errorf("%s with %s %v is read", arch, name, bad[name].Shape())
		}
	}
	seen := map[string]bool{}
	for _, n := range smallNetworks {
		good := state(t, build(t, n.arch, parameters(n.params)))
		for _, name := range slices.Sorted(maps.Keys(good)) {
			kind := n.arch + digits.ReplaceAllString(name, "#")
			if seen[kind] {
				continue
			}
			seen[kind] = true
			for _, shape := range [][]int{{0}, {1 << 40, 0}, {0, 1 << 40, 3, 3}, {7, 5}} {
				bad := maps.Clone(good)
				bad[name] = graph.NewTensor(graph.Float32, shape...)
				refused(n.arch, name, bad)
			}
			if more := digits.ReplaceAllString(name, "999999999999"); more != name {
				bad := maps.Clone(good)
				bad[more] = graph.NewTensor(graph.Float32, 1)
				refused(n.arch, more, bad)
			}
		}
	}
}

var digits = regexp.MustCompile(`\d+`)
