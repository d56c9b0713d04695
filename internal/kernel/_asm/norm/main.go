// Command norm generates the kernels of package norm.
package main

import "github.com/micaml/mica/internal/kernel/_asm/simd"

func main() {
	for _, t := range simd.Tiers {
		rms(t)
		layer(t)
		columns(t)
	}
	simd.Emit("norm")
}
