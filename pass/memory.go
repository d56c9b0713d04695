package pass

import (
	"errors"
	"fmt"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Memory is what a layer remembers of one sequence between passes: [KV], or
// [Recurrent]. What an encoder left for cross-attention is a side stream and
// no memory.
type Memory interface {
	// Len returns the number of entries that a head holds; head 0 of a memory
	// without heads.
	Len(head int) int
	// Keep drops every entry of a head but those of idx, which ascends; head
	// -1 is every head. Freed memory is really given back, at the latest when
	// the pass under way ends: if it fails, what it found there comes back.
	Keep(head int, idx []int) error
	// Truncate drops the entries of every head from n on.
	Truncate(n int) error
	// Snapshot marks the present state for Restore.
	Snapshot() Mark
	// Restore goes back to a mark; entries must not have been dropped since.
	Restore(Mark) error
	// Bytes returns what the memory holds.
	Bytes() int64
}

// Mark is a state of a Memory to go back to.
type Mark struct {
	n    []int
	data []float32
}

// ErrMemory is wrapped by errors of memories that can't do what was asked.
var ErrMemory = errors.New("pass: memory can't do that")

// KV holds keys and values of one layer: ragged, each KV head (or query head,
// after [KV.PerQuery]) with entries and positions of its own.
type KV struct{ *op.Cache }

// NewKV returns an empty memory of heads heads of dimension dim, whose
// numbers are kept as kind (F32, F16 or Q8_0: see [op.NewCache]).
func NewKV(heads, dim int, kind tensor.DType) *KV { return &KV{op.NewCache(heads, dim, kind)} }

// Keep drops every entry of a head but those of idx, which ascends; head -1 is
// every head. The errors wrap [ErrMemory].
func (m *KV) Keep(head int, idx []int) error {
	if head >= m.Heads() || head < -1 {
		return fmt.Errorf("%w: head %d of %d", ErrMemory, head, m.Heads())
	}
	for h := range m.Heads() {
		if head != -1 && head != h {
			continue
		}
		if err := ascend(idx, m.Len(h)); err != nil {
			return err
		}
	}
	for h := range m.Heads() {
		if head == -1 || head == h {
			m.Gather(h, idx)
		}
	}
	return nil
}

func ascend(idx []int, n int) error {
	for i, x := range idx {
		if x < 0 || x >= n || i > 0 && x <= idx[i-1] {
			return fmt.Errorf("%w: keep index %d (of %d entries) must ascend within the head", ErrMemory, x, n)
		}
	}
	return nil
}

// Split is PerQuery, and then Keep of idx[q] for each query head q.
func (m *KV) Split(idx [][]int) error {
	if len(idx) == 0 || len(idx)%m.Heads() != 0 {
		return fmt.Errorf("%w: %d query heads of %d", ErrMemory, len(idx), m.Heads())
	}
	for q := range idx {
		if err := ascend(idx[q], m.Len(q*m.Heads()/len(idx))); err != nil {
			return err
		}
	}
	m.Cache.Split(idx)
	return nil
}

// Drop drops entry i of a head. It is much cheaper than Keep of all the others.
func (m *KV) Drop(head, i int) error {
	if head < 0 || head >= m.Heads() || i < 0 || i >= m.Len(head) {
		return fmt.Errorf("%w: drop of entry %d of head %d", ErrMemory, i, head)
	}
	m.Cache.Drop(head, i)
	return nil
}

// Truncate drops the entries of every head from n on.
func (m *KV) Truncate(n int) error {
	if n < 0 {
		return fmt.Errorf("%w: truncate to %d", ErrMemory, n)
	}
	for h := range m.Heads() {
		m.Cut(h, min(n, m.Len(h)))
	}
	return nil
}

// Snapshot marks the present lengths.
func (m *KV) Snapshot() Mark {
	k := Mark{n: make([]int, m.Heads())}
	for h := range k.n {
		k.n[h] = m.Len(h)
	}
	return k
}

// Restore cuts every head to its length at the mark.
func (m *KV) Restore(k Mark) error {
	if len(k.n) != m.Heads() {
		return fmt.Errorf("%w: mark of %d heads for %d", ErrMemory, len(k.n), m.Heads())
	}
	for h, n := range k.n {
		if n > m.Len(h) {
			return fmt.Errorf("%w: head %d has dropped entries since the mark", ErrMemory, h)
		}
	}
	for h, n := range k.n {
		m.Cut(h, n)
	}
	return nil
}

// Recurrent holds the state of a recurrent layer after the last row: one
// vector, whatever the length of the sequence.
type Recurrent struct {
	State []float32 // [D]
	rows  int
}

// NewRecurrent returns a state of width zeros.
func NewRecurrent(width int) *Recurrent { return &Recurrent{State: make([]float32, width)} }

// Advance tells that n rows have gone into the state.
func (m *Recurrent) Advance(n int) { m.rows += n }

// Len returns the number of rows that have gone into the state.
func (m *Recurrent) Len(int) int { return m.rows }

// Keep can't drop single rows from a state.
func (m *Recurrent) Keep(_ int, idx []int) error {
	if len(idx) == m.rows {
		return nil
	}
	return fmt.Errorf("%w: a recurrent state can't drop single rows", ErrMemory)
}

// Truncate can only forget everything, or nothing.
func (m *Recurrent) Truncate(n int) error {
	switch {
	case n >= m.rows:
	case n == 0:
		clear(m.State)
		m.rows = 0
	default:
		return fmt.Errorf("%w: a recurrent state goes back to a snapshot, not to %d rows", ErrMemory, n)
	}
	return nil
}

// Snapshot copies the state.
func (m *Recurrent) Snapshot() Mark {
	return Mark{n: []int{m.rows}, data: append([]float32(nil), m.State...)}
}

// Restore goes back to the copy.
func (m *Recurrent) Restore(k Mark) error {
	if len(k.n) != 1 || len(k.data) != len(m.State) {
		return fmt.Errorf("%w: the mark is of another memory", ErrMemory)
	}
	m.rows = k.n[0]
	copy(m.State, k.data)
	return nil
}

// Bytes returns the size of the state.
func (m *Recurrent) Bytes() int64 { return int64(4 * len(m.State)) }
