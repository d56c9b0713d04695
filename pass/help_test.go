package pass_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

var (
	bg      = context.Background()
	errBoom = errors.New("boom")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func engine(t testing.TB, n pass.Net, o pass.Options) *pass.Engine {
	t.Helper()
	if o.Threads == 0 {
		o.Threads = 2
	}
	e := pass.NewEngine(n, o)
	t.Cleanup(e.Close)
	return e
}

func begin(t testing.TB, e *pass.Engine, seqs ...*pass.Seq) *pass.Pass {
	t.Helper()
	p, err := e.Begin(seqs...)
	must(t, err)
	return p
}

// logits reads the head at every row.
func logits(t testing.TB, p *pass.Pass) []float32 {
	t.Helper()
	rows := make([]int, len(p.Rows()))
	for i := range rows {
		rows[i] = i
	}
	x, err := p.Logits(rows...)
	must(t, err)
	return slices.Clone(x)
}

// through runs what is new of the sequences through every layer.
func through(t testing.TB, e *pass.Engine, seqs ...*pass.Seq) []float32 {
	t.Helper()
	p := begin(t, e, seqs...)
	defer p.End()
	must(t, p.Run(bg, 0, e.Depth()))
	return logits(t, p)
}

// remembered writes every bit that layers remember of a sequence.
func remembered(q *pass.Seq, depth int) string {
	var b strings.Builder
	fmt.Fprintln(&b, "next", q.Next())
	for i := range depth {
		switch m := q.Memory(i).(type) {
		case *pass.Recurrent:
			fmt.Fprintln(&b, i, m.Len(0), bits(m.State))
		case *pass.KV:
			if m.Longest() == 0 {
				continue
			}
			k, v := make([]float32, m.Dim()), make([]float32, m.Dim())
			for h := range m.Heads() {
				for e, pos := range m.Positions(h) {
					m.Entry(h, e, k, v)
					fmt.Fprintln(&b, i, h, pos, bits(k), bits(v))
				}
			}
			fmt.Fprintln(&b, i, "sums", bits(m.Sums()))
		}
	}
	return b.String()
}

func bits(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i := range x {
		b[i] = math.Float32bits(x[i])
	}
	return b
}

// positions returns where the rows of a stream stand.
func positions(rows []pass.Row) []int32 {
	var pos []int32
	for _, r := range rows {
		pos = append(pos, r.Pos)
	}
	return pos
}

func wantPositions(t testing.TB, what string, got []int32, want ...int32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: positions %v, want %v", what, got, want)
	}
}

// wantError fails unless err mentions all of texts.
func wantError(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one about %q", texts)
		return
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q doesn't mention %q", err, s)
		}
	}
}

// altered is a network with another Layer or other LayerInfos.
type altered struct {
	pass.Net
	infos []pass.LayerInfo
	layer func(c *op.Ctx, i int, s *pass.State) error
}

func (n altered) Layers() []pass.LayerInfo {
	if n.infos != nil {
		return n.infos
	}
	return n.Net.Layers()
}

func (n altered) Layer(c *op.Ctx, i int, s *pass.State) error {
	if n.layer != nil {
		return n.layer(c, i, s)
	}
	return n.Net.Layer(c, i, s)
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
