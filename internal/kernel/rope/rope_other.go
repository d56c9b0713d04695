//go:build !amd64

package rope

import "github.com/micaml/mica/internal/cpu"

func interleaved(_ cpu.Tier, dst, x, table []float32, sign float32) {
	interleavedGo(dst, x, table, sign)
}

func halves(_ cpu.Tier, dst, x, table []float32, sign float32) { halvesGo(dst, x, table, sign) }
