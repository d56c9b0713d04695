// Package tova forgets the entries that the newest token attends to least.
//
// Oren, Hassid, Yarden, Adi, Schwartz, "Transformers are Multi-State RNNs",
// 2024 (arXiv 2401.06104), section 4.2 (Token Omission Via Attention).
package tova

import (
	"fmt"

	"github.com/micaml/mica/keep"
)

// Method keeps Budget entries, after the prompt and after every token: those
// of the largest attention of the last query, averaged over the heads of a
// layer, which all keep the same. Nothing is kept because it is new.
type Method struct {
	Budget int // entries a head
}

// Plan checks the settings.
func (m Method) Plan(int) (keep.Plan, error) {
	if m.Budget < 1 {
		return keep.Plan{}, fmt.Errorf("tova: %w: budget=%d must be at least 1", keep.ErrArgument, m.Budget)
	}
	return keep.Plan{Queries: 1, Steps: true}, nil
}

// Compress keeps the entries that the last query attends to most.
func (m Method) Compress(l *keep.Layer) error {
	if l.Len(0) <= m.Budget {
		return nil
	}
	p, _, n, err := l.Attention(1)
	if err != nil {
		return fmt.Errorf("tova: %w", err)
	}
	// The sum has the order of the average.
	s := l.Scores(n)
	for ; len(p) > 0; p = p[n:] {
		for i, x := range p[:n] {
			s[i] += x
		}
	}
	if err := l.KeepTop(-1, s, m.Budget, 0); err != nil {
		return fmt.Errorf("tova: %w", err)
	}
	return nil
}
