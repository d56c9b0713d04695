// Package h2o keeps the keys and values that have received the most attention
// so far, the heavy hitters, and the newest.
//
// Zhang, Sheng, Zhou, Chen, Zheng, Cai, Song, Tian, Ré, Barrett, Wang, Chen,
// "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large
// Language Models", 2023 (arXiv 2306.14048), Algorithm 1. The variant that
// compresses the prompt alone is the one that GemFilter's authors compare
// with (arXiv 2409.17422, code).
package h2o

import (
	"fmt"

	"github.com/micaml/mica/keep"
)

// Method keeps the Recent newest entries and the heavy hitters among the
// older ones, together Budget.
type Method struct {
	Budget int // entries a head
	Recent int // of which this many are the newest
	// HeavyRatio and RecentRatio, if one isn't 0, are the two parts as shares
	// of the prompt's length instead, rounded down, and at least one entry
	// each: 0.1 and 0.1 in the paper.
	HeavyRatio, RecentRatio float64
	// Steps evicts after each generated token too, as the original does; the
	// attention that an entry receives adds up from the time it came.
	// Otherwise the prompt is compressed once, and what follows stays.
	Steps bool
	// PerQuery lets each query head keep entries of its own: with grouped
	// heads the memory is H/G times as large. Otherwise the query heads of a
	// group add up what their entries receive.
	PerQuery bool
}

// Plan checks the settings.
func (m Method) Plan(n int) (keep.Plan, error) {
	if !(m.HeavyRatio >= 0 && m.RecentRatio >= 0 && m.HeavyRatio+m.RecentRatio <= 1) {
		return keep.Plan{}, fmt.Errorf("h2o: %w: shares of %g and %g of the prompt", keep.ErrArgument, m.HeavyRatio, m.RecentRatio)
	}
	budget, recent := m.budget(n)
	if err := keep.CheckBudget(budget, "recent", recent); err != nil {
		return keep.Plan{}, fmt.Errorf("h2o: %w", err)
	}
	return keep.Plan{Sums: true, Steps: m.Steps}, nil
}

// budget returns the budget for a prompt of n tokens and the recent part of it.
func (m Method) budget(n int) (budget, recent int) {
	if m.HeavyRatio == 0 && m.RecentRatio == 0 {
		return m.Budget, m.Recent
	}
	recent = max(1, int(m.RecentRatio*float64(n)))
	return max(1, int(m.HeavyRatio*float64(n))) + recent, recent
}

// Compress keeps the budget's entries of each head.
func (m Method) Compress(l *keep.Layer) error {
	budget, recent := m.budget(l.Prompt)
	if l.Len(0) <= budget {
		return nil
	}
	if m.PerQuery {
		l.PerQuery()
	}
	for h := range l.CacheHeads() {
		n := l.Len(h)
		q, to := l.Share(h)
		s := l.Received(q)
		if to > q+1 {
			s = l.Scores(n)
			l.AddReceived(s, h)
		}
		if err := l.KeepTop(h, s, budget, recent); err != nil {
			return fmt.Errorf("h2o: %w", err)
		}
	}
	return nil
}
