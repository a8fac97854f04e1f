package kernel

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// functions is everything that has a form for each CPU path. Slices are as the plain-Go forms need them, and short enough
// that no call takes long: the Go scheduler cannot interrupt assembly.
type functions struct {
	path  string
	lanes int // float32s in a register: the unit of columns of gemm
	// gemm[rows-1] multiplies a panel of a by n columns, rounded up to a multiple of lanes; see genericGemm.
	gemm []gemmFunc
	// gemmRows[rows-1] does so for rows of a that are not packed, lda elements apart, and rows of b that are ldb elements
	// apart; nil if a path has no such form.
	gemmRows []stridedGemmFunc
	// gemmColumns[rows-1] does so for columns of a, which are lda elements apart; see genericGemmColumns.
	gemmColumns []stridedGemmFunc
	// depthwise convolves a channel with a kernel, depthwiseRows rows of outputs at a time; see genericDepthwise.
	depthwise func(w, b []float32, kw, pitch int, c []float32, n, ldc int, bias, res, slope []float32)
	// depthwiseBlocks convolves pixels of a block, each channel with a kernel of its own; see genericDepthwiseBlocks.
	depthwiseBlocks func(dst, src, w []float32, kw, pitch, n int)
	binary          [numBinary]func(dst, a, b []float32)
	unary           [numUnary]func(dst, a []float32, p, q float32)
	gate            func(dst, a, by []float32, slope float32)
	gates           func(dst, a, by, slopes []float32)
	prelus          func(dst, a, slopes []float32)
	adam            func(w, g, m, v, p []float32)     // of a multiple of lanes elements, and not 0; see genericAdam
	sum             func(a []float32) float64         // of a multiple of sumLanes elements
	sums            func(a []float32, sums []float64) // the same, by place modulo sumLanes
	dot             func(a, b []float32) float64      // of a multiple of sumLanes elements
	reduceMax       func(a []float32) float32         // of a multiple of extremeLanes elements, and not 0
	reduceMin       func(a []float32) float32
	// interleave sets dst[2*i], dst[2*i+1] = a[i], b[i] for len(a) elements, a multiple of shuffleLanes; deinterleave is the
	// way back.
	interleave, deinterleave func(x, a, b []float32)
	// poolGradient is PoolGradient for len(g) elements, a multiple of shuffleLanes.
	poolGradient func(da, db, a, b, g []float32)
	// poolBlocks and poolBlocksGradient work on pixels of blocks; see genericPoolBlocks and genericPoolBlocksGradient.
	poolBlocks         func(dst, a, b []float32)
	poolBlocksGradient func(da, db, a, b, g []float32)
	// transforms are those of tiled convolution, products[width-1][tiles-1] what multiplies the planes in between, for so
	// many blocks of output channels; see genericProduct. Gather and scatter change from rows of pixels to blocks of
	// channels and back, store stays there; see genericGather, genericScatter and genericStore.
	transforms []transform
	products   [2][]productFunc
	prefetch   func(a []float32)
	stream     func(dst, src []float32, dstStep, size, rows int) // of whole cache lines; see genericStream
	addTwice   func(dst, a, b []float32)                         // a + 2b, of a multiple of 4*lanes elements
	gather     func(dst, src []float32, stride, n int)
	scatter    [3]func(dst, src, res []float32, stride, n int, p []float32) // by when the residual is added: never, first, last
	store      [3]func(dst, src, res, p []float32)                          // the same
}

// paths are the function sets that this CPU can run, the best first.
var paths = append(simd(), functions{
	path:            "generic",
	lanes:           genericLanes,
	gemm:            genericGemms,
	gemmColumns:     genericGemmsColumns,
	depthwise:       genericDepthwise,
	depthwiseBlocks: genericDepthwiseBlocks,
	binary:          genericBinary,
	unary:           genericUnary,
	gate:            genericGate,
	gates:           genericGates,
	prelus:          genericPRelus,
	adam:            genericAdam,
	sum:             genericSum,
	sums:            genericSums,
	dot:             genericDot,
	reduceMax: func(a []float32) float32 {
		return genericReduce(a, float32(math.Inf(-1)), func(x, y float32) float32 { return max(x, y) })
	},
	reduceMin: func(a []float32) float32 {
		return genericReduce(a, float32(math.Inf(1)), func(x, y float32) float32 { return min(x, y) })
	},
	interleave: genericInterleave, deinterleave: genericDeinterleave, poolGradient: genericPoolGradient,
	poolBlocks: genericPoolBlocks, poolBlocksGradient: genericPoolBlocksGradient,
	transforms: transformsGeneric,
	products:   genericProducts,
	prefetch:   func([]float32) {},
	stream:     genericStream,
	addTwice:   genericAddTwice,
	gather:     genericGather,
	scatter:    genericScatters,
	store:      genericStores,
})

// cpu is the set in use. Only tests change it later.
var cpu = choose(os.Getenv("GANSR_CPU"))

func choose(name string) *functions {
	for i := range paths {
		if paths[i].path == name {
			return &paths[i]
		}
	}
	return &paths[0]
}

// Path is the name of the set of functions in use: "avx512", "avx2" or "generic", the first of them that the CPU has.
// The environment variable GANSR_CPU names another; a name that the CPU does not have is ignored, see CheckEnvironment.
func Path() string { return cpu.path }

// Transforms lists the transforms that convolutions can use, such as "winograd4" or "fft24".
func Transforms() []string {
	names := make([]string, len(cpu.transforms))
	for i, tr := range cpu.transforms {
		names[i] = tr.name
	}
	return names
}

// CheckEnvironment reports a value of GANSR_CPU or GANSR_CONV that cannot be followed.
func CheckEnvironment() error {
	var have []string
	for _, p := range paths {
		have = append(have, p.path)
	}
	for _, v := range []struct {
		name   string
		values []string
	}{{"GANSR_CPU", have}, {"GANSR_CONV", append(Transforms(), "direct")}} {
		if value := os.Getenv(v.name); value != "" && !slices.Contains(v.values, value) {
			return fmt.Errorf("%s is %q; this CPU has %s", v.name, value, strings.Join(v.values, ", "))
		}
	}
	return nil
}
