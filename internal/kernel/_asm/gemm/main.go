// Command gemm generates the float32 matrix kernels of internal/kernel/gemm.
package main

import "github.com/micaml/mica/internal/kernel/_asm/simd"

func main() {
	tiles()
	weights()
	for _, t := range simd.Tiers {
		natural(t)
		superblocks(t)
	}
	transpose256()
	gemv256()
	simd.Emit("gemm")
}
