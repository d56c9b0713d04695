package attn

import (
	"unsafe"

	"github.com/micaml/mica/internal/cpu"
)

//go:generate go run -C ../_asm ./attn -out ../attn/attn_amd64.s -stubs ../attn/stubs_amd64.go -pkg attn

// Each takes slices whose lengths its caller has made sure of; the indexing below
// keeps the assembly inside them whatever happens.

func softmax(t cpu.Tier, s []float32, masks []uint64, scale float32, stat, corr, acc []float32) {
	rows := len(masks)
	if t == cpu.Go || rows == 0 {
		softmaxGo(s, masks, scale, stat, acc)
		return
	}
	_, _, _ = s[rows*Block-1], stat[2*rows-1], corr[(rows+15)&^15-1]
	f := softmax256
	if t == cpu.AVX512 {
		f = softmax512
	}
	f(&s[0], &masks[0], rows, scale, &stat[0], &corr[0], unsafe.SliceData(acc), len(acc)/rows&^15)
}

func probs(t cpu.Tier, dst, s []float32, mask uint64, scale, m, l float32, add bool) {
	if t == cpu.Go {
		probsGo(dst, s, mask, scale, m, l, add)
		return
	}
	_ = s[Block-1]
	if len(dst) < Block {
		mask &= 1<<len(dst) - 1
	}
	switch {
	case mask == 0:
	case t == cpu.AVX512:
		probs512(&dst[0], &s[0], mask, scale, m, l, add)
	default:
		probs256(&dst[0], &s[0], mask, scale, m, l, add)
	}
}

func dscores(t cpu.Tier, ds, p []float32, mask uint64, d, scale float32) {
	if t == cpu.Go {
		dscoresGo(ds, p, mask, d, scale)
		return
	}
	_, _ = ds[Block-1], p[Block-1]
	if t == cpu.AVX512 {
		dscores512(&ds[0], &p[0], mask, d, scale)
	} else {
		dscores256(&ds[0], &p[0], mask, d, scale)
	}
}

func toHalf(t cpu.Tier, dst []uint16, src []float32) {
	if t == cpu.Go || len(src) == 0 {
		toHalfGo(dst, src)
		return
	}
	_ = dst[len(src)-1]
	if t == cpu.AVX512 {
		toHalf512(&dst[0], &src[0], len(src))
	} else {
		toHalf256(&dst[0], &src[0], len(src))
	}
}
