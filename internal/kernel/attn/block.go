package attn

import (
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/tensor"
)

// Block is the number of entries in a block.
const Block = 64

// KV is the keys and values of one kv head: blocks of Size(Dim) numbers, each
// the keys as a panel [Dim][Block] and then the values [Block][gemm.Pad(Dim)].
// The blocks are in one of F32, F16 and Q8, as float32, float16 or 8-bit
// integers; the others are nil. Entries past the last one, and the values'
// padding, may hold anything.
type KV struct {
	Dim int // head dimension, Dh
	F32 [][]float32
	F16 [][]uint16
	Q8  [][]int8
	// D is the scales of Q8's blocks, float16, one for each Group of numbers
	// of an entry: those of the keys as a panel [groups][Block] and then those
	// of the values [Block][groups].
	D [][]uint16
}

// Group is how many numbers of a key or value share a scale in Q8.
const Group = 32

// NewKV returns the keys and values of a head without any blocks. kind is F32,
// F16 or Q8_0.
func NewKV(dim int, kind tensor.DType) KV {
	kv := KV{Dim: dim}
	switch kind {
	case tensor.F16:
		kv.F16 = [][]uint16{}
	case tensor.Q8_0:
		kv.Q8 = [][]int8{}
	}
	return kv
}

// Size returns how many numbers a block takes for a head dimension.
func Size(dim int) int { return dim*Block + Block*gemm.Pad(dim) }

// Scales returns how many scales a block of Q8 takes.
func Scales(dim int) int { return 2 * Block * groups(dim) }

func groups(dim int) int { return (dim + Group - 1) / Group }

// Blocks returns how many blocks n entries take.
func Blocks(n int) int { return (n + Block - 1) / Block }

// Blocks returns how many blocks there are.
func (kv *KV) Blocks() int { return len(kv.F32) + len(kv.F16) + len(kv.Q8) }

// Bytes returns what the blocks take.
func (kv *KV) Bytes() int64 {
	return int64(len(kv.F32)*4+len(kv.F16)*2+len(kv.Q8))*int64(Size(kv.Dim)) + int64(len(kv.D)*2)*int64(Scales(kv.Dim))
}

// Grow makes room for n entries; the new blocks lie in one piece of memory.
func (kv *KV) Grow(n int) {
	more := Blocks(n) - kv.Blocks()
	if more <= 0 {
		return
	}
	switch {
	case kv.Q8 != nil:
		kv.Q8 = append(kv.Q8, cut(make([]int8, more*Size(kv.Dim)), more)...)
		kv.D = append(kv.D, cut(make([]uint16, more*Scales(kv.Dim)), more)...)
	case kv.F16 != nil:
		kv.F16 = append(kv.F16, cut(make([]uint16, more*Size(kv.Dim)), more)...)
	default:
		kv.F32 = append(kv.F32, cut(make([]float32, more*Size(kv.Dim)), more)...)
	}
}

// Clone returns the first n blocks, copied to one piece of memory.
func (kv *KV) Clone(n int) KV {
	c := KV{Dim: kv.Dim}
	switch {
	case kv.Q8 != nil:
		c.Q8, c.D = copied(kv.Q8[:n]), copied(kv.D[:n])
	case kv.F16 != nil:
		c.F16 = copied(kv.F16[:n])
	default:
		c.F32 = copied(kv.F32[:n])
	}
	return c
}

// Take returns the entries idx, as they are stored, as keys and values of their
// own.
func (kv *KV) Take(idx []int) KV {
	c := KV{Dim: kv.Dim}
	switch n := Blocks(len(idx)); {
	case kv.Q8 != nil:
		c.Q8, c.D = cut(make([]int8, n*Size(kv.Dim)), n), cut(make([]uint16, n*Scales(kv.Dim)), n)
		take(kv.numbers(), c.Q8, kv.Q8, idx)
		take(kv.scales(), c.D, kv.D, idx)
	case kv.F16 != nil:
		c.F16 = cut(make([]uint16, n*Size(kv.Dim)), n)
		take(kv.numbers(), c.F16, kv.F16, idx)
	default:
		c.F32 = cut(make([]float32, n*Size(kv.Dim)), n)
		take(kv.numbers(), c.F32, kv.F32, idx)
	}
	return c
}

// take goes through the panels row by row: an entry's numbers lie a line of the
// processor's cache apart.
func take[E any](p plane, to, from [][]E, idx []int) {
	for b, blk := range to {
		part := idx[b*Block : min((b+1)*Block, len(idx))]
		for d := range p.rows {
			row := blk[d*Block:][:len(part)]
			for a, j := range part {
				row[a] = from[j/Block][d*Block+j%Block]
			}
		}
		for a, j := range part {
			copy(blk[p.value(a):][:p.width], from[j/Block][p.value(j%Block):])
		}
	}
}

// Widen returns the blocks as float32: its own, or copies.
func (kv *KV) Widen() *KV {
	if kv.F16 == nil && kv.Q8 == nil {
		return kv
	}
	w := &KV{Dim: kv.Dim}
	n := kv.Blocks() * Block
	w.Grow(n)
	k, v := make([]float32, kv.Dim), make([]float32, kv.Dim)
	for i := range n {
		kv.Get(i, k, v)
		w.Put(i, k, v)
	}
	return w
}

// cut takes memory apart into n blocks.
func cut[E any](b []E, n int) [][]E {
	out := make([][]E, n)
	size := len(b) / max(1, n)
	for i := range out {
		out[i] = b[i*size : (i+1)*size : (i+1)*size]
	}
	return out
}

func copied[E any](blocks [][]E) [][]E {
	if len(blocks) == 0 {
		return [][]E{}
	}
	size := len(blocks[0])
	out := cut(make([]E, len(blocks)*size), len(blocks))
	for i := range out {
		copy(out[i], blocks[i])
	}
	return out
}

// plane is how a block is laid out: keys [rows][Block], and then values
// [Block][stride], of which width are in use.
type plane struct{ rows, stride, width int }

// numbers is the plane of F32, F16 and Q8, scales that of D.
func (kv *KV) numbers() plane { return plane{kv.Dim, gemm.Pad(kv.Dim), kv.Dim} }

func (kv *KV) scales() plane { g := groups(kv.Dim); return plane{g, g, g} }

// value returns where the value of entry j of a block begins.
func (p plane) value(j int) int { return p.rows*Block + j*p.stride }

// size is how many numbers an entry has.
func (p plane) size() int { return p.rows + p.width }
