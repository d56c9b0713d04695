// Package baseline holds the selections that a method has to beat: keep
// everything, keep the end, keep any.
package baseline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/pass"
)

// Full keeps every token.
type Full struct{}

// Select returns all indices.
func (Full) Select(_ context.Context, _ *pass.Engine, seq *pass.Seq) (keep.Selection, error) {
	n := len(seq.Tokens)
	if err := keep.CheckPrompt(seq, 1); err != nil {
		return keep.Selection{}, fmt.Errorf("full: %w", err)
	}
	return keep.Selection{Kept: span(0, n), Layer: -1}, nil
}

// Last keeps the last Keep tokens.
type Last struct{ Keep int }

// Select returns the last indices.
func (l Last) Select(_ context.Context, _ *pass.Engine, seq *pass.Seq) (keep.Selection, error) {
	if err := keep.CheckPrompt(seq, l.Keep); err != nil {
		return keep.Selection{}, fmt.Errorf("last: %w", err)
	}
	n := len(seq.Tokens)
	return keep.Selection{Kept: span(max(0, n-l.Keep), n), Layer: -1}, nil
}

// Random keeps Keep tokens drawn without replacement; the draw depends on
// Seed and the length alone.
type Random struct {
	Keep int
	Seed uint64
}

// Select returns random indices in ascending order.
func (r Random) Select(_ context.Context, _ *pass.Engine, seq *pass.Seq) (keep.Selection, error) {
	if err := keep.CheckPrompt(seq, r.Keep); err != nil {
		return keep.Selection{}, fmt.Errorf("random: %w", err)
	}
	n := len(seq.Tokens)
	kept := rand.New(rand.NewPCG(r.Seed, uint64(n))).Perm(n)[:min(r.Keep, n)]
	slices.Sort(kept)
	return keep.Selection{Kept: kept, Layer: -1}, nil
}

// span returns lo..hi-1.
func span(lo, hi int) []int {
	s := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		s = append(s, i)
	}
	return s
}
