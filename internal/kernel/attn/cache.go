package attn

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

// Put writes entry i: key and value, Dim numbers each. A float16 cache rounds
// them to the nearest, ties to even; one of 8 bits as [KV.Q8] says.
func (kv *KV) Put(i int, k, v []float32) { kv.put(cpu.Kernels(), i, k, v) }

func (kv *KV) put(t cpu.Tier, i int, k, v []float32) {
	need("key and value", min(len(k), len(v)), kv.Dim)
	b, j := i/Block, i%Block
	at := kv.numbers().value(j)
	switch {
	case kv.Q8 != nil:
		kv.putQ8(t, b, j, k[:kv.Dim], v[:kv.Dim])
	case kv.F16 != nil:
		blk := kv.F16[b]
		toHalf(t, blk[at:at+kv.Dim], v[:kv.Dim])
		var h [64]uint16
		for d := 0; d < kv.Dim; d += len(h) {
			part := k[d:min(d+len(h), kv.Dim)]
			toHalf(t, h[:len(part)], part)
			for e := range part {
				blk[(d+e)*Block+j] = h[e]
			}
		}
	default:
		blk := kv.F32[b]
		for d, x := range k[:kv.Dim] {
			blk[d*Block+j] = x
		}
		copy(blk[at:at+kv.Dim], v)
	}
}

// Get reads entry i into k and v, Dim numbers each.
func (kv *KV) Get(i int, k, v []float32) {
	need("key and value", min(len(k), len(v)), kv.Dim)
	b, j := i/Block, i%Block
	at := kv.numbers().value(j)
	for d := range kv.Dim {
		switch {
		case kv.Q8 != nil:
			ks, vs := kv.D[b][d/Group*Block+j], kv.D[b][kv.scales().value(j)+d/Group]
			k[d] = float32(kv.Q8[b][d*Block+j]) * tensor.F16ToF32(ks)
			v[d] = float32(kv.Q8[b][at+d]) * tensor.F16ToF32(vs)
		case kv.F16 != nil:
			k[d], v[d] = tensor.F16ToF32(kv.F16[b][d*Block+j]), tensor.F16ToF32(kv.F16[b][at+d])
		default:
			k[d], v[d] = kv.F32[b][d*Block+j], kv.F32[b][at+d]
		}
	}
}

// Keep moves entry keep[i] to i, for each i: what is not kept is lost, and what
// is, is dense again and in order. keep must ascend strictly.
func (kv *KV) Keep(keep []int) {
	for i, j := range keep {
		if j < i || i > 0 && j <= keep[i-1] {
			panic(fmt.Sprintf("attn: entries to keep do not ascend at %d: %d", i, j))
		}
	}
	for i, j := range keep {
		kv.Move(i, j)
	}
}

// Move copies entry j, as it is stored, to entry i.
func (kv *KV) Move(i, j int) {
	switch {
	case i == j:
	case kv.Q8 != nil:
		move(kv.numbers(), kv.Q8, i, j)
		move(kv.scales(), kv.D, i, j)
	case kv.F16 != nil:
		move(kv.numbers(), kv.F16, i, j)
	default:
		move(kv.numbers(), kv.F32, i, j)
	}
}

func move[E any](p plane, blocks [][]E, i, j int) {
	to, from := blocks[i/Block], blocks[j/Block]
	a, b := i%Block, j%Block
	for d := range p.rows {
		to[d*Block+a] = from[d*Block+b]
	}
	copy(to[p.value(a):][:p.width], from[p.value(b):])
}

// Drop takes entry i of n out: those behind it move up by one, a row of a key
// panel at a time. It is Keep for caches that lose an entry with each one that
// comes.
func (kv *KV) Drop(i, n int) { kv.drop(cpu.Kernels(), i, n) }

func (kv *KV) drop(t cpu.Tier, i, n int) {
	if i < 0 || i >= n {
		panic(fmt.Sprintf("attn: drop of entry %d of %d", i, n))
	}
	switch {
	case kv.Q8 != nil:
		dropIn(t, kv.numbers(), kv.Q8, i, n, shiftBytes)
		dropIn(t, kv.scales(), kv.D, i, n, shiftWords)
	case kv.F16 != nil:
		dropIn(t, kv.numbers(), kv.F16, i, n, shiftWords)
	default:
		dropIn(t, kv.numbers(), kv.F32, i, n, shiftGo)
	}
}

func dropIn[E any](t cpu.Tier, p plane, blocks [][]E, i, n int, shift func(t cpu.Tier, panel, next []E, rows, first int)) {
	for b := i / Block; b < Blocks(n); b++ {
		blk, next := blocks[b], []E(nil)
		if b+1 < Blocks(n) {
			next = blocks[b+1]
		}
		first := max(i-b*Block, 0)
		shift(t, blk, next, p.rows, first)
		last := min(n-b*Block, Block) - 1
		copy(blk[p.value(first):p.value(last)], blk[p.value(first+1):])
		if next != nil {
			copy(blk[p.value(last):][:p.width], next[p.value(0):])
		}
	}
}

// Stash holds entries that have been taken out of caches of one kind and head
// dimension, as they were stored. The zero value is empty.
type Stash struct {
	f32 []float32
	f16 []uint16
	q8  []int8
}

// Clear empties the stash.
func (s *Stash) Clear() { s.f32, s.f16, s.q8 = s.f32[:0], s.f16[:0], s.q8[:0] }

// Save adds entry i to a stash.
func (kv *KV) Save(s *Stash, i int) {
	switch {
	case kv.Q8 != nil:
		s.q8, s.f16 = save(kv.numbers(), s.q8, kv.Q8, i), save(kv.scales(), s.f16, kv.D, i)
	case kv.F16 != nil:
		s.f16 = save(kv.numbers(), s.f16, kv.F16, i)
	default:
		s.f32 = save(kv.numbers(), s.f32, kv.F32, i)
	}
}

func save[E any](p plane, dst []E, blocks [][]E, i int) []E {
	blk, j := blocks[i/Block], i%Block
	for d := range p.rows {
		dst = append(dst, blk[d*Block+j])
	}
	return append(dst, blk[p.value(j):][:p.width]...)
}

// Restore writes entry i from a stash, where it was the k-th that was saved.
func (kv *KV) Restore(i int, s *Stash, k int) {
	switch {
	case kv.Q8 != nil:
		restore(kv.numbers(), kv.Q8, i, s.q8, k)
		restore(kv.scales(), kv.D, i, s.f16, k)
	case kv.F16 != nil:
		restore(kv.numbers(), kv.F16, i, s.f16, k)
	default:
		restore(kv.numbers(), kv.F32, i, s.f32, k)
	}
}

func restore[E any](p plane, blocks [][]E, i int, src []E, k int) {
	blk, j := blocks[i/Block], i%Block
	src = src[k*p.size() : (k+1)*p.size()]
	for d := range p.rows {
		blk[d*Block+j] = src[d]
	}
	copy(blk[p.value(j):], src[p.rows:])
}
