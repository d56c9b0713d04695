package op

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

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

// Drop is Gather of all the others: entries, counts, and what a rollback goes
// back to.
func TestDropIsGather(t *testing.T) {
	const heads, group, dim, n = 2, 3, 8, 130
	for _, kind := range []tensor.DType{tensor.F32, tensor.F16} {
		build := func() *Cache {
			r := rand.New(rand.NewPCG(4, uint64(kind)))
			m := NewCache(heads, dim, kind)
			m.TrackSums(heads * group)
			h := Heads{Query: heads * group, KV: heads, Dim: dim}
			add := func(n int) {
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
			m.Checkpoint()
			add(2)
			return m
		}
		for _, drops := range [][]int{{0}, {n - 1}, {n}, {n + 1}, {64}, {5, 5}, {n, n}, {n + 1, 3}, {63, 0, 127}} {
			got, want := build(), build()
			for _, i := range drops {
				for h := range heads {
					var kept []int
					for j := range want.Len(h) {
						if j != i {
							kept = append(kept, j)
						}
					}
					got.Drop(h, i)
					want.Gather(h, kept)
				}
			}
			if got.state() != want.state() {
				t.Errorf("%v, drops of %v:\n%s, want\n%s", kind, drops, got.state(), want.state())
			}
			got.Rollback()
			want.Rollback()
			if got.state() != want.state() {
				t.Errorf("%v, drops of %v and a rollback:\n%s, want\n%s", kind, drops, got.state(), want.state())
			}
		}
	}
}

// A cache that loses an entry with each that comes keeps its size, to a block.
func TestDropKeepsTheSize(t *testing.T) {
	h := Heads{Query: 2, KV: 1, Dim: 8}
	for _, n := range []int{1, 63, 64, 65, 128} {
		m := NewCache(1, 8, tensor.F32)
		m.Append(h, make([]float32, n*8), make([]float32, n*8), nil)
		most := m.Bytes() + m.Bytes()/int64(len(m.heads[0].kv.F32))
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
		if blocks := len(m.heads[0].kv.F32); blocks > 2 {
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
	count := func(workers int, chunks ...int) []float32 {
		pool := par.New(workers)
		defer pool.Close()
		c := NewCtx(Exact, pool)
		m := NewCache(h.KV, h.Dim, tensor.F16)
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
			at += n
		}
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		return m.Sums()
	}
	want := count(1, 150)
	ones := slices.Repeat([]int{1}, 150)
	for _, workers := range []int{1, 2, 5} {
		for _, chunks := range [][]int{{150}, {100, 50}, {149, 1}, {1, 149}, ones} {
			got := count(workers, chunks...)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%d workers, chunks %v: sum %d is %v, want %v", workers, chunks, i, got[i], want[i])
				}
			}
		}
	}
}
