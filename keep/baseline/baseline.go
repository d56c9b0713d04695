// Package baseline holds the selections that a method has to beat: keep
// everything, keep the end, keep any. For what layers remember, keeping the end
// is package streaming without sinks.
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

// RandomCache is a [keep.Compressor] that keeps Budget entries of a prompt: the
// last Window tokens, and older ones drawn without replacement, others in each
// layer and head. The draw depends on Seed, layer, head and length alone.
type RandomCache struct {
	Budget int // entries a head
	Window int
	Seed   uint64
}

// Plan checks the settings.
func (r RandomCache) Plan(int) (keep.Plan, error) {
	if err := keep.CheckBudget(r.Budget, "window", r.Window); err != nil {
		return keep.Plan{}, fmt.Errorf("random: %w", err)
	}
	return keep.Plan{}, nil
}

// Compress keeps the end and any of the rest.
func (r RandomCache) Compress(l *keep.Layer) error {
	for h := range l.CacheHeads() {
		draw := rand.New(rand.NewPCG(r.Seed, uint64(l.Prompt)<<32|uint64(l.Index)<<16|uint64(h)))
		s := l.Scores(max(0, l.Len(h)-r.Window))
		for i := range s {
			s[i] = draw.Float32()
		}
		if err := l.KeepTop(h, s, r.Budget, r.Window); err != nil {
			return fmt.Errorf("random: %w", err)
		}
	}
	return nil
}

// span returns lo..hi-1.
func span(lo, hi int) []int {
	s := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		s = append(s, i)
	}
	return s
}
