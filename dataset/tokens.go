package dataset

import "fmt"

// windows is a text cut into sequences.
type windows struct {
	ids          []int32
	length, step int
	n            int
}

// Windows is a long text as sequences of length+1 tokens, one beginning every step
// tokens: length inputs, and each one's next. A tail that doesn't fill a sequence is
// left out. ids isn't copied.
func Windows(ids []int32, length, step int) (Set, error) {
	if length <= 0 || step <= 0 {
		return nil, fmt.Errorf("dataset: windows of %d tokens every %d", length, step)
	}
	if len(ids) < length+1 {
		return nil, fmt.Errorf("dataset: a text of %d tokens has no window of %d", len(ids), length+1)
	}
	return &windows{ids, length, step, (len(ids)-length-1)/step + 1}, nil
}

func (w *windows) Len() int     { return w.n }
func (w *windows) Dims() []int  { return nil }
func (w *windows) Classes() int { return 0 }

func (w *windows) Read(b *Batch, index []int) error {
	if err := checkIndex(index, w.n); err != nil {
		return err
	}
	for _, i := range index {
		b.Index = append(b.Index, i)
		b.Tokens = append(b.Tokens, w.ids[i*w.step:i*w.step+w.length+1])
	}
	return nil
}

// sequences is sequences of their own lengths.
type sequences [][]int32

// Sequences is a set of sequences of tokens. They aren't copied.
func Sequences(s [][]int32) Set { return sequences(s) }

func (s sequences) Len() int   { return len(s) }
func (sequences) Dims() []int  { return nil }
func (sequences) Classes() int { return 0 }

func (s sequences) Read(b *Batch, index []int) error {
	if err := checkIndex(index, len(s)); err != nil {
		return err
	}
	for _, i := range index {
		b.Index = append(b.Index, i)
		b.Tokens = append(b.Tokens, s[i])
	}
	return nil
}

// made is examples that a program makes.
type made struct {
	n       int
	dims    []int
	classes int
	make    func(b *Batch, i int) error
}

// Make is a set of n examples that a program makes: f appends example i, all but its
// Index, which must depend on i alone, and may be called by several goroutines.
func Make(n int, dims []int, classes int, f func(b *Batch, i int) error) Set {
	return &made{n, dims, classes, f}
}

func (m *made) Len() int     { return m.n }
func (m *made) Dims() []int  { return m.dims }
func (m *made) Classes() int { return m.classes }

func (m *made) Read(b *Batch, index []int) error {
	if err := checkIndex(index, m.n); err != nil {
		return err
	}
	for _, i := range index {
		b.Index = append(b.Index, i)
		if err := m.make(b, i); err != nil {
			return err
		}
	}
	return nil
}
