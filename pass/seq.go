package pass

import (
	"fmt"
	"slices"

	"github.com/micaml/mica/op"
)

// Seq is a sequence: its tokens, what layers remember of it, and what a
// program wants to see or change in it. It serves one pass at a time.
type Seq struct {
	// Tokens are the ids of the sequence. Those that no pass has taken yet
	// are taken by the next [Engine.Begin].
	Tokens []int32
	// Input is the input of networks that don't begin with tokens: an image
	// [1, channels, h, w], given whole.
	Input []float32
	// Target holds the tokens of the second stream of an encoder-decoder.
	Target []int32
	// Side streams that every pass of the sequence begins with: a time step,
	// a condition, the output of an encoder that ran before. Row.Seq is not
	// read.
	Side map[Key]Block
	// KV is how layers keep the sequence's keys and values, if not as the
	// engine's options say; to be set before the first pass.
	KV KVKind
	// Adapter changes what linear maps give for the sequence's rows, if the
	// network asks for that; nil: nothing. To be set before the first pass.
	Adapter Adapter
	// Transient sequences remember nothing: a layer's memory is freed when
	// the layer has ended. For passes that only select, and for training.
	Transient bool

	hooks       []hook // watchers and edits
	policy      Policy
	mem         []Memory
	reserve     int     // entries to make room for beyond those at hand
	taken       int     // tokens that passes have taken
	targetTaken int     // and of the target
	next        int32   // position of the next token
	shifts      []shift // renumberings on the way
}

// shift says that rows have positions by less from boundary layer upwards.
type shift struct {
	layer int
	less  int32
}

type hook struct {
	layer int // or allLayers
	site  Site
	watch Watcher
	edit  Editor

	gradient Watcher
}

// At says where a watcher or an edit was called.
type At struct {
	Layer int
	Site  Site
	Rows  []Row // addresses of the rows at hand, in order; all of one sequence
	Width int
}

// Watcher sees the numbers of a site: [len(at.Rows), at.Width], or for the
// pattern sites [H, n] with n = at.Width. A long prompt comes in tiles, in
// order. The numbers are good during the call only.
type Watcher func(at At, x []float32)

// Editor returns what the site shall hold instead of x [len(at.Rows),
// at.Width], of the same shape: x itself to change nothing, or the result of
// ops on it, through which gradients flow.
type Editor func(c *op.Ctx, at At, x op.Val) op.Val

// NewSeq returns a sequence of tokens.
func NewSeq(tokens ...int32) *Seq { return &Seq{Tokens: tokens} }

// Select returns a new sequence of the tokens at idx: a prompt of its own,
// with fresh positions 0..len(idx)-1, the same adapter and no memory.
func (q *Seq) Select(idx []int) *Seq {
	s := &Seq{Tokens: make([]int32, len(idx)), Adapter: q.Adapter}
	for i, x := range idx {
		s.Tokens[i] = q.Tokens[x]
	}
	return s
}

// Reset makes the next pass begin with the first token again: layers remember
// nothing of the sequence. It keeps its fields, its watchers and its edits. For
// loops that put other tokens, or another input, into one sequence.
func (q *Seq) Reset() {
	clear(q.mem)
	q.taken, q.targetTaken, q.next, q.shifts, q.reserve = 0, 0, 0, q.shifts[:0], 0
}

// Append adds tokens for the next pass.
func (q *Seq) Append(tokens ...int32) { q.Tokens = append(q.Tokens, tokens...) }

// Reserve makes room, in the next pass, for n tokens beyond those that the
// sequence holds, so that passes until then allocate nothing.
func (q *Seq) Reserve(n int) {
	q.reserve = n + len(q.Tokens) - q.taken
	q.Tokens = slices.Grow(q.Tokens, n)
}

// Watch calls w with the numbers of a site in every pass from now on. See
// [ParseSite] for addresses; layer-free ones watch every layer.
func (q *Seq) Watch(address string, w Watcher) error {
	layer, s, err := ParseSite(address)
	if err != nil {
		return err
	}
	q.hooks = append(q.hooks, hook{layer: layer, site: s, watch: w})
	return nil
}

// Edit replaces the numbers of a site by what f returns, in every pass from
// now on. Edits of one site run in the order in which they were added.
func (q *Seq) Edit(address string, f Editor) error {
	layer, s, err := ParseSite(address)
	if err != nil {
		return err
	}
	if !Sites[s].Edit {
		return fmt.Errorf("site %q: can be watched, not edited", address)
	}
	q.hooks = append(q.hooks, hook{layer: layer, site: s, edit: f})
	return nil
}

// Unhook takes all watchers and edits away.
func (q *Seq) Unhook() { q.hooks = nil }

// Memory returns what layer i remembers of the sequence, or nil.
func (q *Seq) Memory(i int) Memory {
	if i < 0 || i >= len(q.mem) {
		return nil
	}
	return q.mem[i]
}

// Bytes returns what all layers remember together.
func (q *Seq) Bytes() int64 {
	n := int64(0)
	for _, m := range q.mem {
		if m != nil {
			n += m.Bytes()
		}
	}
	return n
}

// Next returns the position that the next token will have.
func (q *Seq) Next() int { return int(q.next) }

// SetNext sets the position of the next token, for methods that renumber.
func (q *Seq) SetNext(pos int) { q.next = int32(pos) }

// hooked reports whether anything looks at a site of a layer.
func (q *Seq) hooked(layer int, s Site) bool {
	for i := range q.hooks {
		if h := &q.hooks[i]; h.site == s && (h.layer == layer || h.layer == allLayers) {
			return true
		}
	}
	return false
}

// check tells of hooks that the network can't serve.
func (q *Seq) check(layers []LayerInfo) error {
	for _, h := range q.hooks {
		if h.layer >= len(layers) {
			return fmt.Errorf("pass: site %d.%s: the network has %d layers (0 to %d)", h.layer, h.site, len(layers), len(layers)-1)
		}
		found := h.layer != allLayers && slices.Contains(layers[h.layer].Sites, h.site)
		for i := range layers {
			found = found || h.layer == allLayers && slices.Contains(layers[i].Sites, h.site)
		}
		if !found {
			return fmt.Errorf("pass: site %s: the network has no such site there", h.site)
		}
	}
	return q.checkAdapter(layers)
}
