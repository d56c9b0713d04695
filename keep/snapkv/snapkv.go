// Package snapkv makes each layer forget the part of a prompt that the end of
// the prompt doesn't attend to.
//
// Li, Huang, Yang, Venkitesh, Locatelli, Ye, Cai, Lewis, Chen, "SnapKV: LLM
// Knows What You are Looking for Before Generation", 2024 (arXiv 2404.14469),
// section 4.1 and Listing 1, and the authors' released code.
package snapkv

import (
	"cmp"
	"fmt"

	"github.com/micaml/mica/keep"
)

// What Method's settings are if they are 0, as in the experiments of GemFilter's
// authors.
const (
	Window = 32
	Pool   = 5
)

// Method keeps Budget entries: the last Window tokens of the prompt, and of
// the older ones those to which these pay the most attention, pooled so that
// neighbours stay together. What is generated is kept too.
type Method struct {
	Budget int  // C, entries a head
	Window int  // w, of which this many are the last tokens
	Pool   int  // window of the pool, odd
	Max    bool // the pool takes the maximum, not the mean
	// PerQuery lets each query head keep entries of its own, as the released
	// code does: with grouped heads the memory is H/G times as large as Budget
	// says. Otherwise the query heads of a group add up their attention and
	// keep the same.
	PerQuery bool
}

// Plan checks the settings.
func (m Method) Plan(int) (keep.Plan, error) {
	if err := m.check(); err != nil {
		return keep.Plan{}, fmt.Errorf("snapkv: %w", err)
	}
	return keep.Plan{Queries: m.window()}, nil
}

func (m Method) check() error {
	if m.Window < 0 {
		return fmt.Errorf("%w: window=%d must be at least 1", keep.ErrArgument, m.Window)
	}
	if err := keep.CheckPool(m.pool()); err != nil {
		return err
	}
	return keep.CheckBudget(m.Budget, "window", m.window())
}

// Compress keeps Budget entries of each head.
func (m Method) Compress(l *keep.Layer) error {
	return m.CompressTo(l, m.Budget)
}

// CompressTo is Compress with a budget for this layer, which must be above
// the window.
func (m Method) CompressTo(l *keep.Layer, budget int) error {
	if l.Len(0) <= budget {
		return nil // every entry, in its place
	}
	if m.PerQuery {
		l.PerQuery()
	}
	p, rows, n, err := l.Attention(m.window())
	if err != nil {
		return fmt.Errorf("snapkv: %w", err)
	}
	for h := range l.CacheHeads() {
		s := l.Scores(n - rows)
		for q, to := l.Share(h); q < to; q++ {
			Add(s, p[q*rows*n:(q+1)*rows*n], n)
		}
		if err := l.KeepTop(h, m.smooth(s), budget, rows); err != nil {
			return fmt.Errorf("snapkv: %w", err)
		}
	}
	return nil
}

// Add adds to s the attention that each of its entries receives from the
// window's rows of a head, p [rows, n], rows in order.
func Add(s, p []float32, n int) {
	for ; len(p) > 0; p = p[n:] {
		for i, x := range p[:len(s)] {
			s[i] += x
		}
	}
}

func (m Method) smooth(s []float32) []float32 {
	if m.Max {
		return keep.MaxPool(s, m.pool())
	}
	return keep.MeanPool(s, m.pool())
}

func (m Method) window() int { return cmp.Or(m.Window, Window) }

func (m Method) pool() int { return cmp.Or(m.Pool, Pool) }
