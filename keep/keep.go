// Package keep is what the techniques that keep only some tokens have in
// common: each is a [Selector] that looks at a prompt and says which of its
// tokens are to be read again as a prompt of their own.
package keep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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

// Top returns the indices of the k largest scores in ascending order, all of
// them if there are fewer. Of equal scores the earlier one wins; NaN is below
// every number.
func Top(scores []float32, k int) []int {
	index := make([]int, len(scores))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	index = index[:max(0, min(k, len(index)))]
	slices.Sort(index)
	return index
}
