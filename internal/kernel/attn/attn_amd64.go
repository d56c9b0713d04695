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

func narrow(t cpu.Tier, q *[Group]int8, x *[Group]float32) (d uint16) {
	switch t {
	case cpu.Go:
		return narrowGo(q, x)
	case cpu.AVX512:
		narrow512(&q[0], &d, &x[0])
	default:
		narrow256(&q[0], &d, &x[0])
	}
	return d
}

func widenKeys(t cpu.Tier, dst []float32, q []int8, d []uint16, dim int) {
	if t == cpu.Go || dim == 0 {
		widenKeysGo(dst, q, d, dim)
		return
	}
	_, _, _ = dst[dim*Block-1], q[dim*Block-1], d[groups(dim)*Block-1]
	if t == cpu.AVX512 {
		widenKeys512(&dst[0], &q[0], &d[0], dim)
	} else {
		widenKeys256(&dst[0], &q[0], &d[0], dim)
	}
}

func widenValues(t cpu.Tier, dst []float32, q []int8, d []uint16, n, stride int) {
	if t == cpu.Go || n*stride == 0 || stride%16 != 0 {
		widenValuesGo(dst, q, d, n, stride)
		return
	}
	_, _, _ = dst[n*stride-1], q[n*stride-1], d[n*groups(stride)-1]
	if t == cpu.AVX512 {
		widenValues512(&dst[0], &q[0], &d[0], n, stride)
	} else {
		widenValues256(&dst[0], &q[0], &d[0], n, stride)
	}
}

// AVX2 has no masks for less than 32 bits.

func shiftBytes(t cpu.Tier, panel, next []int8, rows, first int) {
	if t != cpu.AVX512 || rows == 0 {
		shiftGo(t, panel, next, rows, first)
		return
	}
	if next == nil {
		next = panel
	}
	_, _ = panel[rows*Block-1], next[(rows-1)*Block]
	shiftBytes512(&panel[0], &next[0], rows, first)
}

func shiftWords(t cpu.Tier, panel, next []uint16, rows, first int) {
	if t != cpu.AVX512 || rows == 0 {
		shiftGo(t, panel, next, rows, first)
		return
	}
	if next == nil {
		next = panel
	}
	_, _ = panel[rows*Block-1], next[(rows-1)*Block]
	shiftWords512(&panel[0], &next[0], rows, first)
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
