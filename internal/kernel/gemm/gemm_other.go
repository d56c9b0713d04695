//go:build !amd64

package gemm

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

func tileF32(_ cpu.Tier, m, n, k int, a []float32, ars, aks int, p []float32, ldp int, c []float32, ldc int, to into) {
	tileGo(m, n, k, a, ars, aks, p, ldp, c, ldc, to)
}

func tileF16(_ cpu.Tier, m, n, k int, a []float32, ars, aks int, p []uint16, ldp int, c []float32, ldc int, to into) {
	tileF16Go(m, n, k, a, ars, aks, p, ldp, c, ldc, to)
}

func packT(_ cpu.Tier, w *tensor.Storage, row, rows, from, k int, dst []float32, ldp int, buf []float32) {
	packTGo(w, row, rows, from, k, dst, ldp, buf)
}

func packN(_ cpu.Tier, w *tensor.Storage, row, rows, from, cols int, dst []float32, ldp int, buf []float32) {
	packNGo(w, row, rows, from, cols, dst, ldp, buf)
}

func packF32(_ cpu.Tier, x []float32, ldx, rows, cols int, dst []float32, ldp int) {
	packF32Go(x, ldx, rows, cols, dst, ldp)
}

func gemv(_ cpu.Tier, w *tensor.Storage, row int, x, y []float32, acc bool, buf []float32) {
	gemvGo(w, row, x, y, acc, buf)
}

func transpose(_ cpu.Tier, dst []float32, ldd int, src []float32, lds, rows, cols int) {
	transposeGo(dst, ldd, src, lds, rows, cols)
}

func hasFew(cpu.Tier, *tensor.Storage, int) bool { return false }

func few(cpu.Tier, *tensor.Storage, int, int, int, []float32, int, []float32, int, bool) {}
