package attn

import (
	"fmt"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/tensor"
)

// Put writes entry i: key and value, Dim numbers each. A float16 cache rounds
// them to the nearest, ties to even.
func (kv *KV) Put(i int, k, v []float32) { kv.put(cpu.Kernels(), i, k, v) }

func (kv *KV) put(t cpu.Tier, i int, k, v []float32) {
	need("key and value", min(len(k), len(v)), kv.Dim)
	b, j := i/Block, i%Block
	at := kv.valueAt(j)
	if kv.F16 == nil {
		blk := kv.F32[b]
		for d, x := range k[:kv.Dim] {
			blk[d*Block+j] = x
		}
		copy(blk[at:at+kv.Dim], v)
		return
	}
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
}

// Get reads entry i into k and v, Dim numbers each.
func (kv *KV) Get(i int, k, v []float32) {
	need("key and value", min(len(k), len(v)), kv.Dim)
	b, j := i/Block, i%Block
	at := kv.valueAt(j)
	for d := range kv.Dim {
		if kv.F16 == nil {
			k[d], v[d] = kv.F32[b][d*Block+j], kv.F32[b][at+d]
		} else {
			k[d], v[d] = tensor.F16ToF32(kv.F16[b][d*Block+j]), tensor.F16ToF32(kv.F16[b][at+d])
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
	if kv.F16 == nil {
		keepIn(kv, kv.F32, keep)
	} else {
		keepIn(kv, kv.F16, keep)
	}
}

func keepIn[E any](kv *KV, blocks [][]E, keep []int) {
	for i, j := range keep {
		if i == j {
			continue
		}
		to, from := blocks[i/Block], blocks[j/Block]
		a, b := i%Block, j%Block
		for d := range kv.Dim {
			to[d*Block+a] = from[d*Block+b]
		}
		at, fromAt := kv.valueAt(a), kv.valueAt(b)
		copy(to[at:at+kv.Dim], from[fromAt:])
	}
}

// valueAt returns where in a block the value of its entry j begins.
func (kv *KV) valueAt(j int) int { return kv.Dim*Block + j*gemm.Pad(kv.Dim) }

// Drop takes entry i of n out: those behind it move up by one, a row of a key
// panel at a time. It is Keep for caches that lose an entry with each one that
// comes.
func (kv *KV) Drop(i, n int) {
	if i < 0 || i >= n {
		panic(fmt.Sprintf("attn: drop of entry %d of %d", i, n))
	}
	if kv.F16 == nil {
		dropIn(kv, kv.F32, i, n)
	} else {
		dropIn(kv, kv.F16, i, n)
	}
}

func dropIn[E any](kv *KV, blocks [][]E, i, n int) {
	for b := i / Block; b < Blocks(n); b++ {
		blk, next := blocks[b], []E(nil)
		if b+1 < Blocks(n) {
			next = blocks[b+1]
		}
		first := max(i-b*Block, 0)
		for d := range kv.Dim {
			row := blk[d*Block : (d+1)*Block]
			copy(row[first:], row[first+1:])
			if next != nil {
				row[Block-1] = next[d*Block]
			}
		}
		copy(blk[kv.valueAt(first):], blk[kv.valueAt(first+1):])
		if next != nil {
			copy(blk[kv.valueAt(Block-1):][:kv.Dim], next[kv.valueAt(0):])
		}
	}
}
