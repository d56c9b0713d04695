package pass

import (
	"errors"
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// WatchGradient calls w in the backward pass with the gradient of the loss with
// respect to the numbers of a site, [len(at.Rows), at.Width], in every taped
// pass from now on: what PyTorch's hooks on a module's output see. The network
// may be frozen and stored in any type. Passes without a tape don't call w, nor
// does a site that the loss doesn't depend on.
//
// Hooks of one site run in the order in which they were added: the gradient is
// that of the value which edits before this call have left there. In the
// backward pass later layers come first.
func (q *Seq) WatchGradient(address string, w Watcher) error {
	layer, s, err := ParseSite(address)
	if err != nil {
		return err
	}
	if !Sites[s].Edit {
		return fmt.Errorf("site %q: holds statistics, which no gradient goes through", address)
	}
	q.hooks = append(q.hooks, hook{layer: layer, site: s, gradient: w})
	return nil
}

// gradient shows w numbers [lo, hi) of the gradient with respect to x.
func (s *State) gradient(w Watcher, at At, x op.Val, lo, hi int) op.Val {
	if !s.p.taped {
		return x
	}
	at.Rows = slices.Clone(at.Rows) // until the backward pass
	return op.Gradient(s.p.c, x, func(dx []float32) { w(at, dx[lo:hi]) })
}

// locate tells an error about a number where it was found.
func (s *State) locate(site Site) {
	var e *op.NotFiniteError
	if errors.As(s.p.c.Err(), &e) && e.Site == "" {
		e.Site = site.String()
	}
}
