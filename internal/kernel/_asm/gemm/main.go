// Command gemm generates the float32 matrix kernels of internal/kernel/gemm.
package main

import "github.com/micaml/mica/internal/kernel/_asm/simd"

func main() {
	tiles()
	weights()
	simd.Emit("gemm")
}
