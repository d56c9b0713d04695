package op

import (
	"slices"

	"github.com/micaml/mica/internal/kernel/act"
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
	undo  cacheUndo
}

type cacheHead struct {
	kv   attn.KV
	pos  []int32 // of each entry
	undo headUndo
}

// NewCache returns an empty cache of heads heads of dimension dim. kind is how
// numbers are kept: F32, F16, or Q8_0, which is 8 bits and a scale for each 32
// numbers of a key or value (see package attn).
func NewCache(heads, dim int, kind tensor.DType) *Cache {
	m := &Cache{dim: dim, kind: kind, heads: make([]cacheHead, heads)}
	for h := range m.heads {
		m.heads[h].kv = attn.NewKV(dim, kind)
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
		n += m.heads[h].kv.Bytes()
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
		m.heads[h].kv.Grow(n)
		m.heads[h].pos = slices.Grow(m.heads[h].pos, max(0, n-len(m.heads[h].pos)))
	}
	for i := range m.sums {
		m.sums[i] = slices.Grow(m.sums[i], max(0, n-len(m.sums[i])))
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
		c.kv.Grow(at + n)
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
	c.forget(idx)
	c.kv.Keep(idx)
	for i, j := range idx {
		c.pos[i] = c.pos[j]
	}
	for _, s := range m.sumsOf(head) {
		for i, j := range idx {
			s[i] = s[j]
		}
	}
	m.shorten(head, len(idx))
	m.shrink(c, 0)
}

// Drop is Gather of all entries of a head but one, for caches that lose one
// with each that comes. One block that is left over stays: copying the rest
// each time would cost more than attention.
func (m *Cache) Drop(head, i int) {
	c := &m.heads[head]
	if i < c.undo.old {
		c.forgetOne(i)
	}
	c.kv.Drop(i, len(c.pos))
	copy(c.pos[i:], c.pos[i+1:])
	for _, s := range m.sumsOf(head) {
		copy(s[i:], s[i+1:])
	}
	m.shorten(head, len(c.pos)-1)
	m.shrink(c, 1)
}

// Cut drops the entries of a head from n on. Blocks stay for the entries to
// come.
func (m *Cache) Cut(head, n int) {
	c := &m.heads[head]
	for i := c.undo.old - 1; i >= n; i-- {
		c.forgetOne(i)
	}
	m.shorten(head, n)
}

// shorten takes positions and counts down to n entries.
func (m *Cache) shorten(head, n int) {
	m.heads[head].pos = m.heads[head].pos[:n]
	sums := m.sumsOf(head)
	for i, s := range sums {
		sums[i] = s[:n]
	}
}

// shrink copies what is left to blocks of its own, so that the piece of
// memory that Reserve made can go. spare blocks that are left over stay for the
// entries to come.
func (m *Cache) shrink(c *cacheHead, spare int) {
	if need := attn.Blocks(len(c.pos)); c.kv.Blocks() > need+spare {
		m.ready = 0
		c.kv = c.kv.Clone(need)
	}
}

// PerQuery gives each of n query heads entries of its own, copies of its KV
// head's, so that each may keep others. It costs memory for what SnapKV's
// released code does.
func (m *Cache) PerQuery(n int) {
	share, all := n/len(m.heads), make([][]int, n)
	for q := range all {
		if q%share > 0 {
			all[q] = all[q-1]
			continue
		}
		for i := range m.Len(q / share) {
			all[q] = append(all[q], i)
		}
	}
	m.Split(all)
}

// Split gives each of len(idx) query heads entries of its own: those of its KV
// head's that idx has for it, which ascend. It is PerQuery and then Gather,
// without a copy of everything in between.
func (m *Cache) Split(idx [][]int) {
	share := len(idx) / len(m.heads)
	heads := make([]cacheHead, len(idx))
	for q, keep := range idx {
		from := &m.heads[q/share]
		h := cacheHead{kv: from.kv.Take(keep), pos: make([]int32, len(keep))}
		for i, j := range keep {
			h.pos[i] = from.pos[j]
		}
		heads[q] = h
		if m.sums != nil {
			for i, j := range keep {
				m.sums[q][i] = m.sums[q][j]
			}
			m.sums[q] = m.sums[q][:len(keep)]
		}
	}
	m.setAside(heads)
	m.ready = 0
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
func (m *Cache) DropSums() { m.sums = nil }

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

// AddReceived adds to dst the attention that each entry of a query head has
// received, which must be tracked.
func (m *Cache) AddReceived(dst []float32, query int) { act.Add(dst, dst, m.sums[query]) }

// sumsOf returns the counts of the query heads that share a head.
func (m *Cache) sumsOf(head int) [][]float32 {
	g := len(m.sums) / len(m.heads)
	return m.sums[head*g : (head+1)*g]
}

// clear empties the cache and keeps its blocks.
func (m *Cache) clear() {
	for h := range m.heads {
		m.Cut(h, 0)
	}
}
