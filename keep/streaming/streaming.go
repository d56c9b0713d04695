// Package streaming keeps the first few tokens, which attention uses as a
// sink, and a window of the newest.
//
// Xiao, Tian, Chen, Han, Lewis, "Efficient Streaming Language Models with
// Attention Sinks", 2023 (arXiv 2309.17453), section 3.2. There, positions
// are those within the cache; here, as for every method of package keep, they
// stay those of the text, so the model's context is still the limit.
package streaming

import (
	"fmt"

	"github.com/micaml/mica/keep"
)

// Method keeps Budget entries, after the prompt and after every token: the
// first Sinks and the newest.
type Method struct {
	Budget int // entries a head
	Sinks  int // 4 in the paper; 0 keeps the newest alone
}

// Plan checks the settings.
func (m Method) Plan(int) (keep.Plan, error) {
	if err := keep.CheckBudget(m.Budget, "sinks", m.Sinks); err != nil {
		return keep.Plan{}, fmt.Errorf("streaming: %w", err)
	}
	return keep.Plan{Steps: true}, nil
}

// Compress drops what lies between the sinks and the window.
func (m Method) Compress(l *keep.Layer) error {
	// Places are scores: newer entries have higher ones, and sinks the highest.
	s := l.Scores(l.Len(0))
	for i := range s {
		s[i] = float32(i)
		if i < m.Sinks {
			s[i] = float32(len(s))
		}
	}
	if err := l.KeepTop(-1, s, m.Budget, 0); err != nil {
		return fmt.Errorf("streaming: %w", err)
	}
	return nil
}
