package attn

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/f32"
	"github.com/micaml/mica/tensor"
)

// The twins: what the assembly computes, in plain Go.

// softmaxGo takes rows through one block: s is [rows][Block], stat [rows][2], acc
// [rows][dim].
func softmaxGo(s []float32, masks []uint64, scale float32, stat, acc []float32) {
	for i, mask := range masks {
		dim := len(acc) / len(masks)
		softmaxRow(s[i*Block:(i+1)*Block], mask, scale, stat[2*i:2*i+2], acc[i*dim:(i+1)*dim])
	}
}

// softmaxRow takes one row through one block: s holds 64 scores not yet scaled and
// becomes the probabilities relative to the new maximum, 0 outside mask; stat,
// the row's m and l, and acc, its output so far, move on to that maximum.
//
// A NaN score does not count for the maximum, but makes its p and so l NaN. All
// scores -Inf make the row NaN, as e^(-Inf - -Inf) is.
func softmaxRow(s []float32, mask uint64, scale float32, stat, acc []float32) {
	old := stat[0]
	m := float32(math.Inf(-1))
	for j := range s[:Block] {
		s[j] *= scale
		if mask>>j&1 != 0 && s[j] > m {
			m = s[j]
		}
	}
	if old > m {
		m = old
	}
	m += 0 // -0 becomes +0
	corr := float32(0)
	if !math.IsInf(float64(old), -1) {
		corr = f32.Exp(old - m)
	}
	var z [16]float32
	for j := range s[:Block] {
		if mask>>j&1 != 0 {
			s[j] = f32.Exp(s[j] - m)
		} else {
			s[j] = 0
		}
	}
	for i := range z {
		z[i] = (s[i] + s[i+16]) + (s[i+32] + s[i+48])
	}
	stat[0], stat[1] = m, f32.FMA(stat[1], corr, f32.SumLanes(&z))
	for d := range acc {
		acc[d] *= corr
	}
}

// probsGo makes probabilities from scores not yet scaled and a row's m and l, for
// the lanes of mask. dst reaches at least to the last of them.
func probsGo(dst, s []float32, mask uint64, scale, m, l float32, add bool) {
	for j := range dst {
		if mask>>j&1 == 0 {
			continue
		}
		p := f32.Exp(float32(s[j]*scale)-m) / l
		if add {
			dst[j] += p
		} else {
			dst[j] = p
		}
	}
}

// dscoresGo turns the gradient of probabilities into that of scores, 0 outside
// mask.
func dscoresGo(ds, p []float32, mask uint64, d, scale float32) {
	for j := range ds[:Block] {
		if mask>>j&1 != 0 {
			ds[j] = p[j] * (ds[j] - d) * scale
		} else {
			ds[j] = 0
		}
	}
}

// shiftGo moves the lanes from first+1 on of each row of a panel [rows][Block] down
// by one; the last lane becomes lane 0 of the same row of next, or of the panel if
// there is no next.
func shiftGo[E any](_ cpu.Tier, panel, next []E, rows, first int) {
	if next == nil {
		next = panel
	}
	for d := range rows {
		row, e := panel[d*Block:(d+1)*Block], next[d*Block]
		copy(row[first:], row[first+1:])
		row[Block-1] = e
	}
}

func toHalfGo(dst []uint16, src []float32) {
	for i, x := range src {
		dst[i] = tensor.F32ToF16(x)
	}
}
