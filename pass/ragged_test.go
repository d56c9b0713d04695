package pass_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// entry is what a head remembers of one token.
type entry struct {
	pos  int32
	k, v []float32
}

func head(m *pass.KV, h int) []entry {
	var out []entry
	for i, pos := range m.Positions(h) {
		e := entry{pos, make([]float32, m.Dim()), make([]float32, m.Dim())}
		m.Entry(h, i, e.k, e.v)
		out = append(out, e)
	}
	return out
}

// softmax64 returns the attention of one query over entries, in float64.
func softmax64(q []float32, over []entry) []float64 {
	p := make([]float64, len(over))
	top, sum := math.Inf(-1), 0.0
	for i, e := range over {
		for d := range q {
			p[i] += float64(q[d]) * float64(e.k[d])
		}
		p[i] /= math.Sqrt(float64(len(q)))
		top = max(top, p[i])
	}
	for i := range p {
		p[i] = math.Exp(p[i] - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func mix64(p []float64, over []entry) []float64 {
	z := make([]float64, len(over[0].v))
	for i, e := range over {
		for d := range z {
			z[d] += p[i] * float64(e.v[d])
		}
	}
	return z
}

func near(t *testing.T, what string, got []float32, want []float64, within float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= within) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// Each head keeps entries of its own, of its own number. Steps after that
// attend to exactly these, as plain float64 attention over them says.
func TestRaggedHeadsAttendToWhatTheyKept(t *testing.T) {
	for _, perQuery := range []bool{false, true} {
		name := map[bool]string{false: "by KV head", true: "by query head"}[perQuery]
		t.Run(name, func(t *testing.T) { raggedSteps(t, perQuery) })
	}
}

func raggedSteps(t *testing.T, perQuery bool) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 2})
	s := pass.NewSeq(tokens(1, 150, 50)...)
	through(t, e, s)
	m := s.Memory(1).(*pass.KV)
	if perQuery {
		m.PerQuery(6)
	}
	full := m.Bytes()
	kept := map[int][]entry{}
	for h := range m.Heads() {
		all, idx := head(m, h), []int{}
		for i := h; i < len(all); i += 1 + 7*h { // 150 entries of head 0, few of the last
			idx = append(idx, i)
		}
		for _, i := range idx {
			kept[h] = append(kept[h], all[i])
		}
		must(t, m.Keep(h, idx))
	}
	if m.Bytes() >= full {
		t.Errorf("ragged memory takes %d bytes of %d", m.Bytes(), full)
	}
	var q, k, v, z []float32
	for site, into := range map[string]*[]float32{"1.attn.rot_q": &q, "1.attn.rot_k": &k, "1.attn.v": &v, "1.attn.z": &z} {
		must(t, s.Watch(site, func(_ pass.At, x []float32) { *into = append(*into, x...) }))
	}
	for _, n := range []int{1, 5, 70, 1} {
		q, k, v, z = nil, nil, nil, nil
		at := int32(s.Next())
		s.Append(tokens(uint64(n), n, 50)...)
		through(t, e, s)
		for row := range n {
			for qh := range 6 {
				kvh := qh / 3
				own := kvh
				if perQuery {
					own = qh
				}
				if qh%3 == 0 || perQuery {
					from := row*32 + kvh*16
					kept[own] = append(kept[own], entry{at + int32(row), slices.Clone(k[from : from+16]), slices.Clone(v[from : from+16])})
				}
				from := row*96 + qh*16
				want := mix64(softmax64(q[from:from+16], kept[own]), kept[own])
				near(t, "attention", z[from:from+16], want, 2e-6)
			}
		}
		for h := range m.Heads() {
			var pos []int32
			for _, e := range kept[h] {
				pos = append(pos, e.pos)
			}
			wantPositions(t, "a head", m.Positions(h), pos...)
		}
	}
}

func TestKeepOfAMemoryRefusesBadIndices(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(1, 2, 3)
	through(t, e, s)
	before := remembered(s, 3)
	m := s.Memory(0)
	for what, err := range map[string]error{
		"head 2 of 2":    m.Keep(2, []int{0}),
		"head -2":        m.Keep(-2, []int{0}),
		"an index 3":     m.Keep(0, []int{0, 3}),
		"an index -1":    m.Keep(-1, []int{-1}),
		"one twice":      m.Keep(1, []int{1, 1}),
		"descending":     m.Keep(1, []int{2, 0}),
		"truncate to -1": m.Truncate(-1),
	} {
		if !errors.Is(err, pass.ErrMemory) {
			t.Errorf("%s: %v, want ErrMemory", what, err)
		}
	}
	if remembered(s, 3) != before {
		t.Error("a refused keep changed the memory")
	}
	r := pass.NewRecurrent(4)
	r.Advance(3)
	if err := r.Keep(-1, []int{0}); !errors.Is(err, pass.ErrMemory) {
		t.Errorf("a row of a recurrent state: %v, want ErrMemory", err)
	}
	if err := r.Truncate(2); !errors.Is(err, pass.ErrMemory) {
		t.Errorf("truncate a recurrent state: %v, want ErrMemory", err)
	}
}

// An empty head attends to its new entries only.
func TestHeadThatKeptNothing(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 8, 50)...)
	through(t, e, s)
	m := s.Memory(0).(*pass.KV)
	must(t, m.Keep(0, nil))
	var z, v []float32
	must(t, s.Watch("0.attn.z", func(_ pass.At, x []float32) { z = slices.Clone(x) }))
	must(t, s.Edit("0.attn.v", func(c *op.Ctx, _ pass.At, x op.Val) op.Val { v = slices.Clone(c.Data(x)); return x }))
	s.Append(5)
	through(t, e, s)
	for q := range 3 { // one entry: its value, whatever the query
		for d := range 16 {
			if z[q*16+d] != v[d] {
				t.Fatalf("query head %d: %v, want the new token's value %v", q, z[q*16+d], v[d])
			}
		}
	}
}
