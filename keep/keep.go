// Package keep is what the techniques that keep only some tokens have in
// common. A [Selector] looks at a prompt and says which of its tokens are to
// be read again as a prompt of their own. A [Compressor] lets the whole prompt
// through and makes layers forget keys and values of it; [Compress] puts it to
// work on a sequence.
package keep

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/micaml/mica/pass"
)

// Selector picks tokens of a prompt.
type Selector interface {
	// Select returns which tokens of seq to keep. seq is not changed.
	Select(ctx context.Context, eng *pass.Engine, seq *pass.Seq) (Selection, error)
}

// Selection is the outcome of a Selector.
type Selection struct {
	Kept  []int // indices of tokens, ascending, without duplicates
	Layer int   // that was looked at; -1 if none
}

// ErrArgument is wrapped by errors of settings that make no sense.
var ErrArgument = errors.New("bad setting")

// CheckPrompt tells of prompts and budgets that no selector can work with: the
// error is [pass.ErrEmpty], or wraps [ErrArgument] for a k below 1.
func CheckPrompt(seq *pass.Seq, k int) error {
	if len(seq.Tokens) == 0 {
		return pass.ErrEmpty
	}
	if k <= 0 {
		return fmt.Errorf("%w: keep=%d must be at least 1", ErrArgument, k)
	}
	return nil
}

// CheckBudget tells of budgets of entries that leave no room for a method to
// choose: the error wraps [ErrArgument] unless reserved, the entries that are
// kept without a choice and that what names, is at least 0 and below budget.
func CheckBudget(budget int, what string, reserved int) error {
	switch {
	case reserved < 0:
		return fmt.Errorf("%w: %s=%d must be at least 0", ErrArgument, what, reserved)
	case budget <= reserved:
		return fmt.Errorf("%w: budget=%d must be above %s=%d", ErrArgument, budget, what, reserved)
	}
	return nil
}

// CheckPool tells of pooling windows that would change the number of scores:
// the error wraps [ErrArgument] unless the window is odd and at least 1.
func CheckPool(window int) error {
	if window < 1 || window%2 == 0 {
		return fmt.Errorf("%w: pool=%d must be odd and at least 1", ErrArgument, window)
	}
	return nil
}

// MeanPool is a moving average over an odd window, with zeros beyond the ends
// that count in the divisor.
func MeanPool(s []float32, window int) []float32 {
	p := make([]float32, len(s))
	for i := range p {
		for _, x := range s[max(0, i-window/2):min(len(s), i+window/2+1)] {
			p[i] += x
		}
		p[i] /= float32(window)
	}
	return p
}

// MaxPool is a moving maximum over an odd window, with nothing beyond the
// ends.
func MaxPool(s []float32, window int) []float32 {
	p := make([]float32, len(s))
	for i := range p {
		p[i] = float32(math.Inf(-1))
		for _, x := range s[max(0, i-window/2):min(len(s), i+window/2+1)] {
			p[i] = max(p[i], x)
		}
	}
	return p
}
