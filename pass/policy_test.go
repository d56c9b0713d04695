package pass_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// diary is a policy that notes what it is told.
type diary struct {
	lines []string
	fail  string // at this line
	rows  int    // of queries
}

var errPolicy = errors.New("the policy says no")

func (d *diary) note(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	d.lines = append(d.lines, s)
	if s == d.fail {
		return errPolicy
	}
	return nil
}

func (d *diary) Attending(a pass.Attending) error {
	d.rows += len(a.Queries) / (a.Heads.Query * a.Heads.Dim)
	return d.note("%d: %d rows from %d after %d", a.Layer, len(a.Rows), a.Rows[0].Pos, a.KV.Longest())
}

func (d *diary) Attended(c *op.Ctx, layer int, m *pass.KV) error {
	c.Out(op.MakeShape(3, 5)) // ops are the policy's to use
	return d.note("%d has %d", layer, m.Longest())
}

// A prompt is told tile by tile and layer by layer, and so is what comes later.
// A peek is not told.
func TestPolicyIsTold(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 3})
	d := &diary{}
	s := pass.NewSeq(tokens(1, 5, 50)...)
	s.SetPolicy(d)
	p := begin(t, e, s)
	_, err := p.Peek(bg, pass.Z) // beyond attention
	must(t, err)
	must(t, p.Run(bg, 0, 1))
	must(t, p.Run(bg, 1, 3))
	p.End()
	want := []string{}
	for i := range 3 {
		want = append(want, fmt.Sprint(i, ": 3 rows from 0 after 0"), fmt.Sprint(i, ": 2 rows from 3 after 3"), fmt.Sprint(i, " has 5"))
	}
	if !slices.Equal(d.lines, want) || d.rows != 15 {
		t.Errorf("a prompt: %q with %d queries, want %q", d.lines, d.rows, want)
	}
	d.lines = nil
	s.Append(1)
	through(t, e, s)
	want = []string{"0: 1 rows from 5 after 5", "0 has 6", "1: 1 rows from 5 after 5", "1 has 6", "2: 1 rows from 5 after 5", "2 has 6"}
	if !slices.Equal(d.lines, want) {
		t.Errorf("a step: %q, want %q", d.lines, want)
	}
	d.lines = nil
	s.SetPolicy(nil)
	s.Append(1)
	through(t, e, s)
	if len(d.lines) != 0 {
		t.Errorf("told after it was taken away: %q", d.lines)
	}
}

// Of the sequences of a pass each policy is told about its own, and only if
// it has rows.
func TestPoliciesInABatch(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	a, b := &diary{}, &diary{}
	s := []*pass.Seq{pass.NewSeq(1, 2, 3, 4), pass.NewSeq(5, 6), pass.NewSeq(7)}
	s[0].SetPolicy(a)
	s[2].SetPolicy(b)
	through(t, e, s...)
	if len(a.lines) != 6 || len(b.lines) != 6 || a.lines[5] != "2 has 4" || b.lines[5] != "2 has 1" {
		t.Errorf("first %q, third %q", a.lines, b.lines)
	}
	s[0].Append(1)
	through(t, e, s...)
	if len(a.lines) != 12 || len(b.lines) != 6 {
		t.Errorf("with nothing new: first %q, third %q", a.lines, b.lines)
	}
}

// A policy that fails ends the pass, which leaves no trace.
func TestPolicyFails(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 3})
	for _, at := range []string{"1: 2 rows from 3 after 3", "1 has 5"} {
		s := pass.NewSeq(tokens(1, 5, 50)...)
		before := remembered(s, 3)
		s.SetPolicy(&diary{fail: at})
		p := begin(t, e, s)
		err := p.Run(bg, 0, 3)
		if !errors.Is(err, errPolicy) || !strings.HasPrefix(err.Error(), "pass: layer 1 (") {
			t.Errorf("at %q: %v", at, err)
		}
		if got := remembered(s, 3); got != before {
			t.Errorf("at %q: left %s, want %s", at, got, before)
		}
	}
}

// Room that was reserved is not made in memory that a policy is in charge of.
func TestPolicyOverReserve(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	size := func(p pass.Policy) int64 {
		s := pass.NewSeq(tokens(1, 5, 50)...)
		s.SetPolicy(p)
		s.Reserve(500)
		through(t, e, s)
		return s.Bytes()
	}
	if with, without := size(&diary{}), size(nil); with*7 > without {
		t.Errorf("%d bytes with a policy and %d without", with, without)
	}
}
