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

func toHalf(_ cpu.Tier, dst []uint16, src []float32) { toHalfGo(dst, src) }
