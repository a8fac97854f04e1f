// Command _generate writes the assembly of package kernel, and its Go declarations, through avo: each function once for
// AVX2 with FMA and once for AVX-512, from the same description. See ../gen.go for how to run it.
package main

import (
	"flag"

	"github.com/mmcloughlin/avo/build"
)

func main() {
	flag.Parse()
	build.ConstraintExpr("amd64")
	for _, s := range []isa{{name: "AVX2", lanes: 8}, {name: "AVX512", lanes: 16}} {
		for rows := 1; rows <= s.maxRows(); rows++ {
			s.gemm(rows)
			s.gemmColumns(rows)
			if !s.wide() {
				s.gemmRows(rows)
			}
		}
		s.depthwise()
		s.depthwiseBlocks()
		s.elementwise()
		s.reductions()
		s.poolBlocks()
		s.products()
	}
	shuffles()
	build.Generate()
}
