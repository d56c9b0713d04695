// Package pyramid gives lower layers more room for a prompt than upper ones,
// for attention is spread wide below and gathers on few tokens above.
//
// Cai, Zhang, Gao, Liu, Li, Liu, Lu, Xiong, Dong, Hu, Xiao, "PyramidKV: Dynamic
// KV Cache Compression based on Pyramidal Information Funneling", 2024 (arXiv
// 2406.02069), section 4, and the authors' released code, which this follows:
// budgets fall by the same number from layer to layer, and within a layer
// SnapKV's scores choose.
package pyramid

import (
	"cmp"
	"fmt"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/snapkv"
)

// Method is SnapKV whose Budget is the mean over the layers.
type Method struct {
	snapkv.Method
	// Beta says how steep the pyramid is: the top layer has 1/Beta of the mean
	// budget, besides the window. 0 means 20, the released code's.
	Beta int
}

// Plan checks the settings.
func (m Method) Plan(n int) (keep.Plan, error) {
	if m.Beta < 0 {
		return keep.Plan{}, fmt.Errorf("pyramid: %w: beta=%d must be at least 1", keep.ErrArgument, m.Beta)
	}
	p, err := m.Method.Plan(n)
	if err != nil {
		return p, fmt.Errorf("pyramid: %w", err)
	}
	return p, nil
}

// Compress keeps the layer's budget of each head.
func (m Method) Compress(l *keep.Layer) error {
	if l.Len(0) <= m.Budget {
		return nil
	}
	window := cmp.Or(m.Window, snapkv.Window)
	budget := window + Room(l.Prompt, window, m.Budget, cmp.Or(m.Beta, 20), l.Depth)[l.Index]
	if err := m.CompressTo(l, budget); err != nil {
		return fmt.Errorf("pyramid: %w", err)
	}
	return nil
}

// Room returns how many tokens before the window each layer keeps of a prompt
// of n tokens, n at least budget; budget, the mean, includes the window.
func Room(n, window, budget, beta, depth int) []int {
	mean, older := budget-window, n-window
	most, step := mean, 0 // a box, where the prompt is too short for a pyramid
	if n >= 2*mean && depth > 1 {
		least := mean / beta
		most = 2*mean - least
		if most >= older {
			most, least = older, 2*mean-older
		}
		step = (most - least) / (depth - 1)
	}
	room := make([]int, depth)
	for i := range room {
		room[i] = most - i*step
	}
	return room
}
