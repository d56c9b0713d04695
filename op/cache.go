package op

import (
	"slices"

	"github.com/micaml/mica/internal/kernel/attn"
	"github.com/micaml/mica/tensor"
)

// Cache is the keys and values that one attention layer remembers of one
// sequence. It is ragged: each KV head, or each query head after
// [Cache.PerQuery], holds entries of its own, in blocks of 64 that are freed
// when their entries are gone.
type Cache struct {
	dim   int
	kind  tensor.DType
	heads []cacheHead
	sums  [][]float32 // by query head: attention received by each entry
	ready int         // entries that blocks are reserved for
	back  [][]float32 // sums as they were at Checkpoint
}

type cacheHead struct {
	kv  attn.KV
	pos []int32 // of each entry
	old int     // entries that were there at Checkpoint
}

// NewCache returns an empty cache of heads heads of dimension dim. kind, F32
// or F16, is how numbers are kept.
func NewCache(heads, dim int, kind tensor.DType) *Cache {
	m := &Cache{dim: dim, kind: kind, heads: make([]cacheHead, heads)}
	for h := range m.heads {
		m.heads[h].kv.Dim = dim
		if kind == tensor.F16 {
			m.heads[h].kv.F16 = [][]uint16{}
		}
	}
	return m
}

// Heads returns how many heads have entries of their own.
func (m *Cache) Heads() int { return len(m.heads) }

// Dim returns the head dimension.
func (m *Cache) Dim() int { return m.dim }

// Len returns the number of entries of a head.
func (m *Cache) Len(head int) int { return len(m.heads[head].pos) }

// Longest returns the number of entries of the longest head.
func (m *Cache) Longest() int {
	n := 0
	for h := range m.heads {
		n = max(n, m.Len(h))
	}
	return n
}

// shortest returns the number of entries of the shortest head.
func (m *Cache) shortest() int {
	n := m.Len(0)
	for h := range m.heads {
		n = min(n, m.Len(h))
	}
	return n
}

// Positions returns the position of each entry of a head. It is not a copy.
func (m *Cache) Positions(head int) []int32 { return m.heads[head].pos }

// Entry copies entry i of a head to k and v, Dim numbers each.
func (m *Cache) Entry(head, i int, k, v []float32) { m.heads[head].kv.Get(i, k, v) }

// Bytes returns what the blocks take.
func (m *Cache) Bytes() int64 {
	n := int64(0)
	for h := range m.heads {
		kv := &m.heads[h].kv
		n += int64(len(kv.F32)*4+len(kv.F16)*2) * int64(attn.Size(m.dim))
	}
	return n
}

// fits reports whether attention of these heads can use the cache.
func (m *Cache) fits(h Heads) bool {
	return m.dim == h.Dim && (len(m.heads) == h.KV || len(m.heads) == h.Query) && (m.sums == nil || len(m.sums) == h.Query)
}

// Reserve makes room for n entries a head, so that appends until then
// allocate nothing.
func (m *Cache) Reserve(n int) {
	if n <= m.ready {
		return
	}
	m.ready = n
	for h := range m.heads {
		m.grow(&m.heads[h], n)
		m.heads[h].pos = slices.Grow(m.heads[h].pos, max(0, n-len(m.heads[h].pos)))
	}
	for i := range m.sums {
		m.sums[i] = slices.Grow(m.sums[i], max(0, n-len(m.sums[i])))
	}
}

// grow gives a head blocks for n entries, which lie in one piece of memory.
func (m *Cache) grow(h *cacheHead, n int) {
	size := attn.Size(m.dim)
	have := len(h.kv.F32) + len(h.kv.F16)
	more := attn.Blocks(n) - have
	if more <= 0 {
		return
	}
	if m.kind == tensor.F16 {
		b := make([]uint16, more*size)
		for i := range more {
			h.kv.F16 = append(h.kv.F16, b[i*size:(i+1)*size:(i+1)*size])
		}
		return
	}
	b := make([]float32, more*size)
	for i := range more {
		h.kv.F32 = append(h.kv.F32, b[i*size:(i+1)*size:(i+1)*size])
	}
}

// Append adds entries to every head: rows of k and v, [n, G*Dh], at positions
// pos, or counted on from the last one if pos is nil.
func (m *Cache) Append(heads Heads, k, v []float32, pos []int32) {
	w := heads.KV * heads.Dim
	n := len(k) / w
	share := len(m.heads) / heads.KV // heads of the cache that take one KV head
	for h := range m.heads {
		c := &m.heads[h]
		at := len(c.pos)
		m.grow(c, at+n)
		from := h / share * heads.Dim
		next := int32(0)
		if at > 0 {
			next = c.pos[at-1] + 1
		}
		for i := range n {
			c.kv.Put(at+i, k[i*w+from:i*w+from+heads.Dim], v[i*w+from:i*w+from+heads.Dim])
			if pos != nil {
				next = pos[i]
			}
			c.pos = append(c.pos, next)
			next++
		}
	}
	for q := range m.sums {
		for range n {
			m.sums[q] = append(m.sums[q], 0)
		}
	}
}

// Gather keeps only the entries idx of a head, which ascend, and frees the
// blocks that are left over.
func (m *Cache) Gather(head int, idx []int) {
	c := &m.heads[head]
	c.kv.Keep(idx)
	old, _ := slices.BinarySearch(idx, c.old)
	for i, j := range idx {
		c.pos[i] = c.pos[j]
	}
	for _, s := range m.sumsOf(m.sums, head) {
		for i, j := range idx {
			s[i] = s[j]
		}
	}
	for _, s := range m.sumsOf(m.back, head) {
		for i, j := range idx[:old] {
			s[i] = s[j]
		}
	}
	c.old = old
	m.Cut(head, len(idx))
	m.shrink(c, 0)
}

// Drop is Gather of all entries of a head but one, for caches that lose one
// with each that comes. One block that is left over stays: copying the rest
// each time would cost more than attention.
func (m *Cache) Drop(head, i int) {
	c := &m.heads[head]
	c.kv.Drop(i, len(c.pos))
	copy(c.pos[i:], c.pos[i+1:])
	for _, sums := range [...][][]float32{m.sumsOf(m.sums, head), m.sumsOf(m.back, head)} {
		for _, s := range sums {
			if i < len(s) {
				copy(s[i:], s[i+1:])
			}
		}
	}
	if i < c.old {
		c.old--
	}
	m.Cut(head, len(c.pos)-1)
	m.shrink(c, 1)
}

// Cut drops the entries of a head from n on. Blocks stay for the entries to
// come.
func (m *Cache) Cut(head, n int) {
	c := &m.heads[head]
	c.pos = c.pos[:n]
	c.old = min(c.old, n)
	for _, sums := range [...][][]float32{m.sumsOf(m.sums, head), m.sumsOf(m.back, head)} {
		for i, s := range sums {
			sums[i] = s[:min(n, len(s))]
		}
	}
}

// Checkpoint notes the entries and counts of the moment for [Cache.Rollback].
func (m *Cache) Checkpoint() {
	for h := range m.heads {
		m.heads[h].old = m.Len(h)
	}
	m.back = slices.Grow(m.back[:0], len(m.sums))[:len(m.sums)]
	for q, s := range m.sums {
		m.back[q] = append(m.back[q][:0], s...)
	}
}

// Rollback drops every entry that came after the checkpoint. What has been
// dropped since then stays dropped.
func (m *Cache) Rollback() {
	for h := range m.heads {
		m.Cut(h, m.heads[h].old)
	}
	for q, s := range m.back {
		m.sums[q] = append(m.sums[q][:0], s[:len(m.sums[q])]...)
	}
}

// shrink copies what is left to blocks of its own, so that the piece of
// memory that Reserve made can go. spare blocks that are left over stay for the
// entries to come.
func (m *Cache) shrink(c *cacheHead, spare int) {
	need := attn.Blocks(len(c.pos))
	if len(c.kv.F32)+len(c.kv.F16) <= need+spare {
		return
	}
	m.ready = 0
	size := attn.Size(m.dim)
	if m.kind == tensor.F16 {
		c.kv.F16 = compactBlocks(c.kv.F16[:need], size)
		return
	}
	c.kv.F32 = compactBlocks(c.kv.F32[:need], size)
}

func compactBlocks[E any](blocks [][]E, size int) [][]E {
	b := make([]E, len(blocks)*size)
	out := make([][]E, len(blocks))
	for i := range blocks {
		out[i] = b[i*size : (i+1)*size : (i+1)*size]
		copy(out[i], blocks[i])
	}
	return out
}

// PerQuery gives each of n query heads entries of its own, copies of its KV
// head's, so that each may keep others. It costs memory for what SnapKV's
// released code does.
func (m *Cache) PerQuery(n int) {
	share := n / len(m.heads)
	heads := make([]cacheHead, n)
	for q := range heads {
		from := &m.heads[q/share]
		h := &heads[q]
		h.kv.Dim = m.dim
		h.pos, h.old = slices.Clone(from.pos), from.old
		need := attn.Blocks(len(h.pos))
		if m.kind == tensor.F16 {
			h.kv.F16 = compactBlocks(from.kv.F16[:need], attn.Size(m.dim))
		} else {
			h.kv.F32 = compactBlocks(from.kv.F32[:need], attn.Size(m.dim))
		}
	}
	m.heads, m.ready = heads, 0
}

// TrackSums makes the cache count, from now on, the attention that each entry
// receives from each of query query heads.
func (m *Cache) TrackSums(query int) {
	if m.sums != nil {
		return
	}
	m.sums = make([][]float32, query)
	for q := range m.sums {
		m.sums[q] = make([]float32, m.Len(q*len(m.heads)/query))
	}
}

// DropSums ends the count of TrackSums.
func (m *Cache) DropSums() { m.sums, m.back = nil, nil }

// Received returns the attention that each entry of a query head's has
// received, or nil if it isn't tracked. It is not a copy.
func (m *Cache) Received(query int) []float32 {
	if m.sums == nil {
		return nil
	}
	return m.sums[query]
}

// Sums returns the attention received, [H, Longest()], zero where a head has
// no entry, or nil if it isn't tracked.
func (m *Cache) Sums() []float32 {
	if m.sums == nil {
		return nil
	}
	n := m.Longest()
	out := make([]float32, len(m.sums)*n)
	for q, s := range m.sums {
		copy(out[q*n:], s)
	}
	return out
}

// sumsOf returns those of counts that belong to the query heads that share a
// head.
func (m *Cache) sumsOf(counts [][]float32, head int) [][]float32 {
	g := len(counts) / len(m.heads)
	return counts[head*g : (head+1)*g]
}

// clear empties the cache and keeps its blocks.
func (m *Cache) clear() {
	for h := range m.heads {
		m.Cut(h, 0)
	}
}
