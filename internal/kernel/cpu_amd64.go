package kernel

import xcpu "golang.org/x/sys/cpu"

func simd() []functions {
	var s []functions
	if x := xcpu.X86; x.HasAVX512F && x.HasBMI2 && x.HasAVX2 && x.HasFMA {
		s = append(s, avx512)
	}
	if x := xcpu.X86; x.HasAVX2 && x.HasFMA {
		s = append(s, avx2)
	}
	return s
}

var avx2 = functions{
	path:  "avx2",
	lanes: 8,
	gemm:  []gemmFunc{gemm1AVX2, gemm2AVX2, gemm3AVX2, gemm4AVX2, gemm5AVX2, gemm6AVX2},
	gemmRows: []stridedGemmFunc{
		gemmRows1AVX2, gemmRows2AVX2, gemmRows3AVX2, gemmRows4AVX2, gemmRows5AVX2, gemmRows6AVX2,
	},
	gemmColumns:     []stridedGemmFunc{gemmColumns1AVX2, gemmColumns2AVX2, gemmColumns3AVX2, gemmColumns4AVX2, gemmColumns5AVX2, gemmColumns6AVX2},
	depthwise:       depthwiseAVX2,
	depthwiseBlocks: depthwiseBlocksAVX2,
	binary: [numBinary]func(dst, a, b []float32){
		opAdd: addAVX2, opSub: subAVX2, opMul: mulAVX2, opDiv: divAVX2, opMax: maxAVX2, opMin: minAVX2,
	},
	unary: [numUnary]func(dst, a []float32, p, q float32){
		opScaleShift: scaleShiftAVX2, opDivScalar: divScalarAVX2, opScalarDiv: scalarDivAVX2, opMaxScalar: maxScalarAVX2,
		opMinScalar: minScalarAVX2, opPRelu: preluAVX2, opClip: clipAVX2, opAbs: absAVX2, opSqrt: sqrtAVX2, opExp: expAVX2, opExpSub: expSubAVX2,
		opSigmoid: sigmoidAVX2, opTanh: tanhAVX2, opSoftplus: softplusAVX2, opErf: erfAVX2, opGelu: geluAVX2,
	},
	gate: gateAVX2, gates: gatesAVX2, prelus: prelusAVX2, adam: adamAVX2, sum: sumAVX2, sums: sumsAVX2, dot: dotAVX2, reduceMax: reduceMaxAVX2, reduceMin: reduceMinAVX2,
	interleave: interleaveAVX2, deinterleave: deinterleaveAVX2, poolGradient: poolGradientAVX2,
	poolBlocks: poolBlocksAVX2, poolBlocksGradient: poolBlocksGradientAVX2,
	transforms: transformsAVX2,
	products: [2][]productFunc{
		{
			product1x1AVX2, product2x1AVX2, product3x1AVX2, product4x1AVX2, product5x1AVX2, product6x1AVX2,
			product7x1AVX2, product8x1AVX2, product9x1AVX2, product10x1AVX2, product11x1AVX2, product12x1AVX2,
		},
		{product1x2AVX2, product2x2AVX2, product3x2AVX2, product4x2AVX2, product5x2AVX2, product6x2AVX2},
	},
	prefetch: prefetchAVX2, stream: streamAVX2, addTwice: addTwiceAVX2, gather: gatherAVX2,
	scatter: [3]func(dst, src, res []float32, stride, n int, p []float32){scatterAVX2, scatterAddFirstAVX2, scatterAddLastAVX2},
	store:   [3]func(dst, src, res, p []float32){storeAVX2, storeAddFirstAVX2, storeAddLastAVX2},
}

var avx512 = functions{
	path:  "avx512",
	lanes: 16,
	gemm: []gemmFunc{
		gemm1AVX512, gemm2AVX512, gemm3AVX512, gemm4AVX512, gemm5AVX512, gemm6AVX512, gemm7AVX512,
		gemm8AVX512, gemm9AVX512, gemm10AVX512, gemm11AVX512, gemm12AVX512, gemm13AVX512, gemm14AVX512,
	},
	gemmColumns: []stridedGemmFunc{
		gemmColumns1AVX512, gemmColumns2AVX512, gemmColumns3AVX512, gemmColumns4AVX512, gemmColumns5AVX512, gemmColumns6AVX512, gemmColumns7AVX512,
		gemmColumns8AVX512, gemmColumns9AVX512, gemmColumns10AVX512, gemmColumns11AVX512, gemmColumns12AVX512, gemmColumns13AVX512, gemmColumns14AVX512,
	},
	depthwise:       depthwiseAVX512,
	depthwiseBlocks: depthwiseBlocksAVX512,
	binary: [numBinary]func(dst, a, b []float32){
		opAdd: addAVX512, opSub: subAVX512, opMul: mulAVX512, opDiv: divAVX512, opMax: maxAVX512, opMin: minAVX512,
	},
	unary: [numUnary]func(dst, a []float32, p, q float32){
		opScaleShift: scaleShiftAVX512, opDivScalar: divScalarAVX512, opScalarDiv: scalarDivAVX512, opMaxScalar: maxScalarAVX512,
		opMinScalar: minScalarAVX512, opPRelu: preluAVX512, opClip: clipAVX512, opAbs: absAVX512, opSqrt: sqrtAVX512, opExp: expAVX512, opExpSub: expSubAVX512,
		opSigmoid: sigmoidAVX512, opTanh: tanhAVX512, opSoftplus: softplusAVX512, opErf: erfAVX512, opGelu: geluAVX512,
	},
	gate: gateAVX512, gates: gatesAVX512, prelus: prelusAVX512, adam: adamAVX512, sum: sumAVX512, sums: sumsAVX512, dot: dotAVX512, reduceMax: reduceMaxAVX512, reduceMin: reduceMinAVX512,
	interleave: interleaveAVX2, deinterleave: deinterleaveAVX2, poolGradient: poolGradientAVX2,
	poolBlocks: poolBlocksAVX512, poolBlocksGradient: poolBlocksGradientAVX512,
	transforms: transformsAVX512,
	products: [2][]productFunc{
		{
			product1x1AVX512, product2x1AVX512, product3x1AVX512, product4x1AVX512, product5x1AVX512, product6x1AVX512,
			product7x1AVX512, product8x1AVX512, product9x1AVX512, product10x1AVX512, product11x1AVX512, product12x1AVX512,
			product13x1AVX512, product14x1AVX512,
		},
		{
			product1x2AVX512, product2x2AVX512, product3x2AVX512, product4x2AVX512, product5x2AVX512, product6x2AVX512,
			product7x2AVX512, product8x2AVX512, product9x2AVX512, product10x2AVX512, product11x2AVX512, product12x2AVX512,
			product13x2AVX512, product14x2AVX512,
		},
	},
	prefetch: prefetchAVX512, stream: streamAVX512, addTwice: addTwiceAVX512, gather: gatherAVX512,
	scatter: [3]func(dst, src, res []float32, stride, n int, p []float32){scatterAVX512, scatterAddFirstAVX512, scatterAddLastAVX512},
	store:   [3]func(dst, src, res, p []float32){storeAVX512, storeAddFirstAVX512, storeAddLastAVX512},
}
