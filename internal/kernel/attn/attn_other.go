//go:build !amd64

package attn

import "github.com/micaml/mica/internal/cpu"

func softmax(_ cpu.Tier, s []float32, masks []uint64, scale float32, stat, _, acc []float32) {
	softmaxGo(s, masks, scale, stat, acc)
}

func probs(_ cpu.Tier, dst, s []float32, mask uint64, scale, m, l float32, add bool) {
	probsGo(dst, s, mask, scale, m, l, add)
}

func dscores(_ cpu.Tier, ds, p []float32, mask uint64, d, scale float32) {
	dscoresGo(ds, p, mask, d, scale)
}

func narrow(_ cpu.Tier, q *[Group]int8, x *[Group]float32) uint16 { return narrowGo(q, x) }

func widenKeys(_ cpu.Tier, dst []float32, q []int8, d []uint16, dim int) {
	widenKeysGo(dst, q, d, dim)
}

func widenValues(_ cpu.Tier, dst []float32, q []int8, d []uint16, n, stride int) {
	widenValuesGo(dst, q, d, n, stride)
}

func shiftBytes(t cpu.Tier, panel, next []int8, rows, first int) {
	shiftGo(t, panel, next, rows, first)
}

func shiftWords(t cpu.Tier, panel, next []uint16, rows, first int) {
	shiftGo(t, panel, next, rows, first)
}

func toHalf(_ cpu.Tier, dst []uint16, src []float32) { toHalfGo(dst, src) }
