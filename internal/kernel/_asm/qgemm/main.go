// Command qgemm generates the kernels of package qgemm.
package main

import (
	"fmt"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

const (
	tileRows = 8  // rows of activations at a time, at most
	elems    = 32 // numbers in a block
	lanes    = 16 // rows of weights at a time
	super    = 8  // blocks in a block of the K-quants, 256 numbers
)

// A chain is how a block of 32 enters the sum of an output, as in package qgemm.
type chain int

const (
	oneScale chain = iota
	scaleAndMin
	twoScales
)

// format is a block type.
type format struct {
	name   string
	bytes  int // of a stored block
	quants int // offset of its first quant
	bits   int // of a quant
	chain  chain
	k      bool // a block is 256 numbers
	// VNNI wants unsigned weights; those of oneScale are 8<<shift too large.
	shift int
	panel string // the format whose panels, and so packed kernels, are the same
}

var formats = []format{
	{name: "Q8_0", bytes: 34, quants: 2, bits: 8, shift: 4, panel: "Q8_0"},
	{name: "Q4_0", bytes: 18, quants: 2, bits: 4, panel: "Q4_0"},
	{name: "Q4_1", bytes: 20, quants: 4, bits: 4, chain: scaleAndMin, panel: "Q4_1"},
	{name: "Q5_0", bytes: 22, quants: 6, bits: 5, shift: 1, panel: "Q5_0"},
	{name: "Q5_1", bytes: 24, quants: 8, bits: 5, chain: scaleAndMin, panel: "Q4_1"},
	{name: "Q4_K", bytes: 144, quants: 16, bits: 4, chain: scaleAndMin, k: true, panel: "Q4_1"},
	{name: "Q5_K", bytes: 176, quants: 48, bits: 5, chain: scaleAndMin, k: true, panel: "Q4_1"},
	{name: "Q6_K", bytes: 210, quants: 0, bits: 6, chain: twoScales, k: true, panel: "Q6_K"},
}

// panelBytes is what 16 rows of 32 numbers take unpacked: 16 scales, then 16
// minima or second scales, if any, and eight registers of four quants, unsigned
// bytes, for each of 16 rows.
func (f format) panelBytes() int { return f.panelQuants() + 512 }

func (f format) panelQuants() int {
	if f.chain == oneScale {
		return 64
	}
	return 64 + 64
}

// What the kernels take. The weights w are 16 rows of stored blocks, stride bytes
// apart, of so many times 32 numbers; panel is a panel of them, for direct
// kernels only of the K-quants, of one block. The activations are quants q,
// scales d, scaled sums s and biases (sums of halves for Q6_K) of a tile; c is
// the first output and ldc the bytes between rows of outputs; mask says which of
// the last 16 columns exist.
const (
	weightArgs = "w *byte, stride, blocks int"
	tileArgs   = "q *int8, d, s *float32, bias *int32, c *float32, ldc int, mask uint16"
)

func main() {
	avx512()
	avx2()
	simd.Emit("qgemm")
}

func avx512() {
	c := newConstants()
	for _, f := range formats {
		for rows := 1; rows <= tileRows; rows++ {
			if f.k {
				directK(c, f, rows)
			} else {
				direct(c, f, rows)
			}
		}
		pack(c, f)
		for rows := 1; f.panel == f.name && rows <= tileRows; rows++ {
			packed(f, rows)
		}
	}
	quantize()
}

func by(rows int) string { return fmt.Sprintf("x%d", rows) }
