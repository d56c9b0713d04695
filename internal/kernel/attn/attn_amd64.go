package attn

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
)

//go:generate go run -C ../_asm ./attn -out ../attn/attn_amd64.s -stubs ../attn/stubs_amd64.go -pkg attn

// Each takes slices whose lengths its caller has made sure of; the indexing below
// keeps the assembly inside them whatever happens.

func softmax(t cpu.Tier, s []float32, mask uint64, scale float32, stat, acc []float32) {
	if t < cpu.AVX512 {
		softmaxGo(s, mask, scale, stat, acc)
		return
	}
	_, _ = s[Block-1], stat[1]
	var a *float32
	if len(acc) > 0 {
		a = &acc[0]
	}
	softmaxAVX512(&s[0], mask, scale, &stat[0], a, len(acc)&^15)
}

func probs(t cpu.Tier, dst, s []float32, mask uint64, scale, m, l float32, add bool) {
	if t < cpu.AVX512 {
		probsGo(dst, s, mask, scale, m, l, add)
		return
	}
	_ = s[Block-1]
	if len(dst) < Block {
		mask &= 1<<len(dst) - 1
	}
	if mask != 0 {
		probsAVX512(&dst[0], &s[0], mask, scale, m, l, add)
	}
}

func dscores(t cpu.Tier, ds, p []float32, mask uint64, d, scale float32) {
	if t < cpu.AVX512 {
		dscoresGo(ds, p, mask, d, scale)
		return
	}
	_, _ = ds[Block-1], p[Block-1]
	dscoresAVX512(&ds[0], &p[0], mask, d, scale)
}

func toHalf(t cpu.Tier, dst []uint16, src []float32) {
	if t < cpu.AVX512 {
		toHalfGo(dst, src)
		return
	}
	if len(src) > 0 {
		_ = dst[len(src)-1]
		toHalfAVX512(&dst[0], &src[0], len(src), math.MaxUint16>>(15-(len(src)+15)&15))
	}
}
