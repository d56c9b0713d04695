package lm

import (
	"fmt"
	"strings"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// loader takes tensors of a GGUF file by name and shape, and remembers which.
type loader struct {
	f      *gguf.File
	data   []byte
	family *family
	fused  [4]int // where queries, keys and values begin in a fused tensor, and the end
	taken  map[string]bool
	err    error
}

func (l *loader) failed() error { return l.err }

func (l *loader) tied() bool {
	_, ok := l.f.Tensor("output.weight")
	return !ok
}

func (l *loader) layout(f *family) op.RotaryLayout { return ggufLayout(f) }

// ggufLayout is how GGUF files hold rotary pairs: Llama's as neighbours, others
// as the halves of a head.
func ggufLayout(f *family) op.RotaryLayout {
	if f.pairs {
		return op.Interleaved
	}
	return op.Halves
}

// weight returns tensor name, which must be rows x cols.
func (l *loader) weight(name string, p part, rows, cols int) *op.Weight {
	if l.err != nil {
		return nil
	}
	var s *tensor.Storage
	if before, which, after := cutFused(l.family, name); which >= 0 {
		s, l.err = l.third(before+"attn_qkv"+after, p, which, cols)
	} else {
		s, l.err = l.whole(name, p, rows, cols)
	}
	return op.NewWeight(name, s)
}

// cutFused cuts the name of queries (0), keys (1) or values (2) out of that of a
// tensor, where the family's files have one tensor for all three; otherwise
// which is -1.
func cutFused(f *family, name string) (before string, which int, after string) {
	if f.fused {
		for i, part := range [...]string{"attn_q", "attn_k", "attn_v"} {
			if before, after, ok := strings.Cut(name, part); ok {
				return before, i, after
			}
		}
	}
	return name, -1, ""
}

// third returns queries, keys or values of a fused tensor: rows of its matrix,
// or numbers of its bias.
func (l *loader) third(name string, p part, which, cols int) (*tensor.Storage, error) {
	from, to, all := l.fused[which], l.fused[which+1], l.fused[3]
	if p == bias {
		s, err := l.whole(name, p, 1, all)
		if err != nil {
			return nil, err
		}
		x, _ := s.F32()
		return tensor.FromFloat32(1, to-from, x[from:to]), nil
	}
	s, err := l.whole(name, p, all, cols)
	if err != nil {
		return nil, err
	}
	return tensor.NewStorage(s.DType, to-from, cols, s.Bytes()[from*s.RowBytes():to*s.RowBytes()])
}

// whole returns a tensor of the file.
func (l *loader) whole(name string, p part, rows, cols int) (*tensor.Storage, error) {
	t, ok := l.f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %q: missing", name)
	}
	s, err := l.f.Storage(l.data, t)
	if err != nil {
		return nil, err
	}
	if s.Rows != rows || s.Cols != cols || len(t.Dims) > 2 {
		return nil, fmt.Errorf("tensor %q: shape %d, and the configuration says %d", name, t.Dims, []int{cols, rows})
	}
	if err := usable(p, s.DType); err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	l.taken[name] = true
	return s, nil
}

// usable reports whether a part may have the type.
func usable(p part, d tensor.DType) error {
	switch {
	case p == gain && d != tensor.F32:
		return fmt.Errorf("a norm's gain must be F32, not %v", d)
	case p == bias && d != tensor.F32:
		return fmt.Errorf("a bias must be F32, not %v", d)
	}
	switch d {
	case tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1,
		tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K:
		return nil
	}
	return fmt.Errorf("type %v: not supported; supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K", d)
}

// loadGGUF makes a network of a file's tensors.
func loadGGUF(c Config, f *gguf.File, data []byte) (*Decoder, error) {
	qw, kvw := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	l := &loader{f: f, data: data, family: familyOf(c.Architecture), taken: map[string]bool{},
		fused: [4]int{0, qw, qw + kvw, qw + 2*kvw}}
	t, ok := f.Tensor("token_embd.weight")
	if !ok || len(t.Dims) != 2 || t.Dims[1] == 0 || t.Dims[1] > maxVocab {
		return nil, fmt.Errorf("tensor %q: missing, or not a matrix of at most %d rows", "token_embd.weight", maxVocab)
	}
	c.Vocabulary = int(t.Dims[1])
	// A file with fewer layers than it says is told before anything is made.
	last := fmt.Sprintf("blk.%d.attn_norm.weight", c.Layers-1)
	if _, ok := f.Tensor(last); !ok {
		return nil, fmt.Errorf("key %q: %d layers, and the file has no tensor %q", c.Architecture+".block_count", c.Layers, last)
	}
	n, err := assemble(c, l)
	if err != nil {
		return nil, err
	}
	// A tensor that nothing reads is a part of the model that mica lacks, and
	// answers without it would be wrong without a word.
	for _, t := range f.Tensors {
		if !l.taken[t.Name] {
			return nil, fmt.Errorf("tensor %q: the %s architecture has no such part", t.Name, c.Architecture)
		}
	}
	return n, nil
}
