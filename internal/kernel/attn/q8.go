package attn

import (
	"math"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

// A cache of 8 bits. For each group of 32 numbers along the head dimension, the
// last of which may be shorter,
//
//	d = amax/127, in float32
//	q = x * (1/d) to nearest, ties to even; 0 if d is subnormal
//	x' = q * float16(d), a product rounded once
//
// which is llama.cpp's q8_0 but for its ties, half a byte for each number more
// than 8 bits. A group with a NaN or an infinity is all NaN. Attention is as in
// a float32 cache that holds x': a block is widened when rows look at it.

// putQ8 writes entry j of block b.
func (kv *KV) putQ8(t cpu.Tier, b, j int, k, v []float32) {
	q, d := kv.Q8[b], kv.D[b]
	at, scale := kv.numbers().value(j), kv.scales().value(j)
	var x [Group]float32
	var r [Group]int8
	for g := range groups(kv.Dim) {
		from := g * Group
		n := min(kv.Dim-from, Group)
		clear(x[copy(x[:], k[from:from+n]):])
		d[g*Block+j] = narrow(t, &r, &x)
		for e, y := range r[:n] {
			q[(from+e)*Block+j] = y
		}
		clear(x[copy(x[:], v[from:from+n]):])
		d[scale+g] = narrow(t, &r, &x)
		copy(q[at+from:at+from+n], r[:])
	}
}

// narrowGo rounds a group to q and returns its scale.
func narrowGo(q *[Group]int8, x *[Group]float32) uint16 {
	amax := uint32(0) // magnitudes are ordered as integers, NaN last
	for _, v := range x {
		amax = max(amax, math.Float32bits(v)&0x7fffffff)
	}
	if amax >= 0x7f800000 {
		*q = [Group]int8{}
		return 0x7e00
	}
	d := math.Float32frombits(amax) / 127
	inv := float32(0)
	if d >= 0x1p-126 {
		inv = 1 / d
	}
	for i, v := range x {
		q[i] = int8(math.RoundToEven(float64(v * inv)))
	}
	return tensor.F32ToF16(d)
}

// wideKeys returns the keys of block b as float32, of a cache that isn't float16:
// its own, or in the scratch.
func (s *Scratch) wideKeys(kv *KV, b int) []float32 {
	if kv.Q8 == nil {
		return kv.F32[b]
	}
	widenKeys(s.tier, s.wide, kv.Q8[b], kv.D[b], kv.Dim)
	return s.wide
}

// wideValues is wideKeys for the values of the block's first n entries; nil for
// float16.
func (s *Scratch) wideValues(kv *KV, b, n int) []float32 {
	p := kv.numbers()
	switch {
	case kv.F16 != nil:
		return nil
	case kv.Q8 != nil:
		widenValues(s.tier, s.wide, kv.Q8[b][p.value(0):], kv.D[b][kv.scales().value(0):], n, p.stride)
		return s.wide
	default:
		return kv.F32[b][p.value(0):]
	}
}

// widenKeysGo is for a panel [dim][Block] with scales [groups][Block].
func widenKeysGo(dst []float32, q []int8, d []uint16, dim int) {
	for i := range dim {
		for j := range Block {
			dst[i*Block+j] = float32(q[i*Block+j]) * tensor.F16ToF32(d[i/Group*Block+j])
		}
	}
}

// widenValuesGo is for n rows of stride numbers, a multiple of 16, with a scale
// for each Group of them.
func widenValuesGo(dst []float32, q []int8, d []uint16, n, stride int) {
	g := groups(stride)
	for j := range n {
		for i := range stride {
			dst[j*stride+i] = float32(q[j*stride+i]) * tensor.F16ToF32(d[j*g+i/Group])
		}
	}
}
