package pass_test

import (
	"slices"
	"testing"

	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// seen is what watchers of one layer got in a prompt of 70 and then 3 and 1
// tokens.
type seen struct {
	last, sums [][]float32 // of each pass, [6, n]
	q          []float32   // [74, 96]
	keys       [2][]entry
}

func watchPatterns(t *testing.T, o pass.Options) seen {
	e := engine(t, decoder(t, tensor.F32), o)
	s := pass.NewSeq(tokens(1, 70, 50)...)
	var r seen
	must(t, s.Watch("1.attn.pattern_last", func(at pass.At, x []float32) {
		if len(x) != 6*at.Width {
			t.Errorf("%d numbers of width %d", len(x), at.Width)
		}
		r.last = append(r.last, slices.Clone(x))
	}))
	must(t, s.Watch("1.attn.pattern_sums", func(_ pass.At, x []float32) { r.sums = append(r.sums, slices.Clone(x)) }))
	must(t, s.Watch("1.attn.rot_q", func(_ pass.At, x []float32) { r.q = append(r.q, x...) }))
	for _, n := range []int{0, 3, 1} {
		s.Append(tokens(uint64(n), n, 50)...)
		through(t, e, pass.NewSeq(tokens(9, 5, 50)...), s) // beside another
	}
	for h := range r.keys {
		r.keys[h] = head(s.Memory(1).(*pass.KV), h)
	}
	return r
}

func TestPatternsMatchFloat64(t *testing.T) {
	r := watchPatterns(t, pass.Options{})
	if len(r.last) != 3 || len(r.sums) != 3 {
		t.Fatalf("%d patterns and %d sums of three passes", len(r.last), len(r.sums))
	}
	for i, n := range []int{70, 73, 74} {
		for qh := range 6 {
			sums := make([]float64, n)
			var last []float64
			for row := range n {
				last = softmax64(r.q[row*96+qh*16:][:16], r.keys[qh/3][:row+1])
				for j, p := range last {
					sums[j] += p
				}
			}
			near(t, "last row", r.last[i][qh*n:(qh+1)*n], last, 1e-6)
			near(t, "column sums", r.sums[i][qh*n:(qh+1)*n], sums, 1e-5)
			total := 0.0
			for _, x := range r.sums[i][qh*n : (qh+1)*n] {
				total += float64(x)
			}
			near(t, "sum over columns", []float32{float32(total)}, []float64{float64(n)}, 1e-4)
		}
	}
}

func TestPatternsDontDependOnTilesAndThreads(t *testing.T) {
	want := watchPatterns(t, pass.Options{Threads: 1})
	for _, o := range []pass.Options{{Tile: 1}, {Tile: 3}, {Tile: 64, Threads: 3}, {Threads: 8}} {
		got := watchPatterns(t, o)
		for i := range want.last {
			passtest.Same(t, "last row", got.last[i], want.last[i])
			passtest.Same(t, "column sums", got.sums[i], want.sums[i])
		}
	}
}

// Counts begin when somebody asks, and go with their entries.
func TestSumsFollowTheirEntries(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 6, 50)...)
	must(t, s.Watch("0.attn.pattern_sums", func(pass.At, []float32) {}))
	through(t, e, s)
	m := s.Memory(0).(*pass.KV)
	all := m.Sums()
	must(t, m.Keep(0, []int{0, 2, 5}))
	must(t, m.Keep(1, []int{4}))
	got := m.Sums() // [6, 3]
	for q := range 6 {
		kept := []int{0, 2, 5}
		if q >= 3 {
			kept = []int{4}
		}
		for i, k := range kept {
			if got[q*3+i] != all[q*6+k] {
				t.Errorf("query head %d: entry %d received %v, want %v", q, k, got[q*3+i], all[q*6+k])
			}
		}
	}
	s.Append(3)
	through(t, e, s)
	now := m.Sums() // [6, 4]
	for q := range 6 {
		gained := 0.0
		for i := range 4 {
			gained += float64(now[q*4+i])
			if i < 3 {
				gained -= float64(got[q*3+i])
			}
		}
		near(t, "what one row gave", []float32{float32(gained)}, []float64{1}, 1e-5)
	}
	if s.Memory(1).(*pass.KV).Sums() != nil {
		t.Error("layer 1 counts, and nobody asked")
	}
}
