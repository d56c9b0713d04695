package op

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/kernel/attn"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/tensor"
)

// state writes all that a cache holds.
func (m *Cache) state() string {
	s := ""
	k, v := make([]float32, m.dim), make([]float32, m.dim)
	for h := range m.heads {
		s += fmt.Sprintln("head", h, m.Positions(h))
		for i := range m.Len(h) {
			m.Entry(h, i, k, v)
			s += fmt.Sprintln(k, v)
		}
	}
	for q := range m.sums {
		s += fmt.Sprintln("sums", m.Received(q))
	}
	return s
}

var kinds = []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}

// counting returns a cache that counts, of n entries, and what adds more to it.
func counting(kind tensor.DType, heads, group, dim, n int) (m *Cache, add func(n int)) {
	r := rand.New(rand.NewPCG(4, uint64(kind)))
	m = NewCache(heads, dim, kind)
	m.TrackSums(heads * group)
	h := Heads{Query: heads * group, KV: heads, Dim: dim}
	add = func(n int) {
		x := make([]float32, 2*n*heads*dim)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		m.Append(h, x[:len(x)/2], x[len(x)/2:], nil)
		for q := range m.sums {
			for i := range m.sums[q] {
				m.sums[q][i] += r.Float32()
			}
		}
	}
	add(n)
	return m, add
}

// Drop is Gather of all the others, entries and counts; and a rollback undoes
// either, or both.
func TestDropIsGather(t *testing.T) {
	const heads, group, dim, n = 2, 3, 8, 130
	for _, kind := range kinds {
		for _, drops := range [][]int{{}, {0}, {n - 1}, {n}, {n + 1}, {64}, {5, 5}, {n, n}, {n + 1, 3}, {63, 0, 127}, {7, 3, 3, 9, 0, 100}} {
			got, addGot := counting(kind, heads, group, dim, n)
			want, addWant := counting(kind, heads, group, dim, n)
			mixed, addMixed := counting(kind, heads, group, dim, n)
			before := got.state()
			for _, m := range []*Cache{got, want, mixed} {
				m.Checkpoint()
			}
			addGot(2)
			addWant(2)
			addMixed(2)
			for j, i := range drops {
				for h := range heads {
					var kept []int
					for j := range want.Len(h) {
						if j != i {
							kept = append(kept, j)
						}
					}
					got.Drop(h, i)
					want.Gather(h, kept)
					if j%2 == 0 {
						mixed.Drop(h, i)
					} else {
						mixed.Gather(h, kept)
					}
				}
			}
			if got.state() != want.state() || mixed.state() != want.state() {
				t.Errorf("%v, drops of %v:\n%s, or mixed\n%s, want\n%s", kind, drops, got.state(), mixed.state(), want.state())
			}
			for what, m := range map[string]*Cache{"drops": got, "gathers": want, "both": mixed} {
				m.Rollback()
				if m.state() != before {
					t.Errorf("%v, %s of %v and a rollback:\n%s, want\n%s", kind, what, drops, m.state(), before)
				}
			}
		}
	}
}

// A rollback undoes whatever came, in any order: entries, drops of one, of many
// and of the end, heads of their own, the end of the count.
func TestRollback(t *testing.T) {
	const heads, group, dim, n = 2, 3, 34, 70
	for _, kind := range kinds {
		r := rand.New(rand.NewPCG(5, uint64(kind)))
		for trial := range 12 {
			m, add := counting(kind, heads, group, dim, n)
			for round := range 2 {
				before := m.state()
				m.Checkpoint()
				for range r.IntN(12) {
					h := r.IntN(m.Heads())
					if m.Len(h) == 0 {
						continue
					}
					switch r.IntN(6) {
					case 0:
						add(1 + r.IntN(40))
					case 1, 2:
						m.Drop(h, r.IntN(m.Len(h)))
					case 3:
						var kept []int
						for i := range m.Len(h) {
							if i == 0 || r.IntN(3) > 0 {
								kept = append(kept, i)
							}
						}
						m.Gather(h, kept)
					case 4:
						m.Cut(h, 1+r.IntN(m.Len(h)))
					case 5:
						if trial%2 == 0 && m.Heads() == heads {
							m.PerQuery(heads * group)
						} else if trial%3 == 0 {
							m.DropSums()
						}
					}
				}
				m.Rollback()
				if m.state() != before {
					t.Fatalf("%v, trial %d, round %d:\n%s, want\n%s", kind, trial, round, m.state(), before)
				}
				// And what is committed stays.
				m.Checkpoint()
				m.Drop(0, 0)
				after := m.state()
				m.Commit()
				m.Rollback()
				if m.state() != after {
					t.Fatalf("%v, trial %d: a rollback after a commit", kind, trial)
				}
			}
		}
	}
}

// Split is PerQuery and then Gather of each head, and a rollback undoes it.
func TestSplitIsPerQueryAndGather(t *testing.T) {
	const heads, group, dim, n = 2, 3, 34, 140
	for _, kind := range kinds {
		got, add := counting(kind, heads, group, dim, n)
		want, _ := counting(kind, heads, group, dim, n)
		before := got.state()
		got.Checkpoint()
		var idx [][]int
		for q := range heads * group {
			var kept []int
			for i := q; i < n; i += 1 + q {
				kept = append(kept, i)
			}
			idx = append(idx, kept)
		}
		idx[2] = []int{} // a head may keep nothing
		got.Split(idx)
		want.PerQuery(heads * group)
		for q := range idx {
			want.Gather(q, idx[q])
		}
		if got.state() != want.state() || got.Bytes() != want.Bytes() {
			t.Errorf("%v: %d bytes\n%s, want %d\n%s", kind, got.Bytes(), got.state(), want.Bytes(), want.state())
		}
		add(3)
		got.Rollback()
		if got.state() != before {
			t.Errorf("%v: after a rollback\n%s, want\n%s", kind, got.state(), before)
		}
	}
}

// What a step drops is kept for a rollback without allocating, and without
// keeping more than that.
func TestUndoIsSmall(t *testing.T) {
	h := Heads{Query: 3, KV: 1, Dim: 32}
	for _, kind := range kinds {
		m := NewCache(1, 32, kind)
		m.TrackSums(3)
		k := make([]float32, 32)
		m.Append(h, make([]float32, 100*32), make([]float32, 100*32), nil)
		step := func() {
			m.Checkpoint()
			m.Append(h, k, k, nil)
			m.Drop(0, 50)
		}
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(100, step); n != 0 {
			t.Errorf("%v: a step allocates %v times", kind, n)
		}
		m.Checkpoint()
		m.Gather(0, []int{1, 2})
		m.Commit()
		if c := cap(m.heads[0].undo.gone); c > attn.Block {
			t.Errorf("%v: room for %d entries is kept", kind, c)
		}
	}
}

// A cache that loses an entry with each that comes keeps its size, to a block.
func TestDropKeepsTheSize(t *testing.T) {
	h := Heads{Query: 2, KV: 1, Dim: 8}
	for _, n := range []int{1, 63, 64, 65, 128} {
		m := NewCache(1, 8, tensor.F32)
		m.Append(h, make([]float32, n*8), make([]float32, n*8), nil)
		most := m.Bytes() + m.Bytes()/int64(m.heads[0].kv.Blocks())
		for range 200 {
			m.Append(h, make([]float32, 8), make([]float32, 8), nil)
			m.Drop(0, n/2)
			if m.Len(0) != n || m.Bytes() > most {
				t.Fatalf("%d entries take %d bytes, want %d in %d", m.Len(0), m.Bytes(), n, most)
			}
		}
		for m.Len(0) > 1 {
			m.Drop(0, 0)
		}
		if blocks := m.heads[0].kv.Blocks(); blocks > 2 {
			t.Errorf("one entry of %d holds %d blocks", n, blocks)
		}
	}
}

// What keys receive is counted in one order, however many workers count.
func TestColumnSumsSameBits(t *testing.T) {
	h := Heads{Query: 6, KV: 2, Dim: 16}
	r := rand.New(rand.NewPCG(8, 8))
	x := make([]float32, 150*10*16)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	count := func(kind tensor.DType, workers int, chunks ...int) []float32 {
		pool := par.New(workers)
		defer pool.Close()
		c := NewCtx(Exact, pool)
		m := NewCache(h.KV, h.Dim, kind)
		m.TrackSums(h.Query)
		at := 0
		for _, n := range chunks {
			take := func(from, heads int) Val {
				var y []float32
				for i := at; i < at+n; i++ {
					y = append(y, x[(i*10+from)*16:][:heads*16]...)
				}
				return c.ViewShape(y, MakeShape(n, heads*16))
			}
			Attention(c, take(0, 6), take(6, 2), take(8, 2), &AttentionSpec{Heads: h, Causal: true, Runs: []Run{{Queries: n, Keys: n, Cache: m}}})
			Pattern(c, take(0, 6), m, h) // is a look, and not counted
			at += n
		}
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		return m.Sums()
	}
	for _, kind := range kinds {
		want := count(kind, 1, 150)
		ones := slices.Repeat([]int{1}, 150)
		for _, workers := range []int{1, 2, 5} {
			for _, chunks := range [][]int{{150}, {100, 50}, {149, 1}, {1, 149}, ones} {
				got := count(kind, workers, chunks...)
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("%v, %d workers, chunks %v: sum %d is %v, want %v", kind, workers, chunks, i, got[i], want[i])
					}
				}
			}
		}
	}
}
