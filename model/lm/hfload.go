package lm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// tensors is where a checkpoint's tensors are: one safetensors file or several.
type tensors interface {
	// shape returns the dimensions of a tensor, rows first.
	shape(name string) (dims []uint64, ok bool)
	storage(name string) (*tensor.Storage, error)
	names() []string
}

// hfLoader takes tensors of a Hugging Face checkpoint and brings those that
// transformers lays out otherwise into the layout of GGUF files.
type hfLoader struct {
	tensors
	config   *Config
	family   *family
	isTied   bool
	prefixed bool // names have the base prefix
	taken    map[string]bool
	err      error
}

func (l *hfLoader) failed() error                  { return l.err }
func (l *hfLoader) tied() bool                     { return l.isTied }
func (l *hfLoader) layout(*family) op.RotaryLayout { return op.Halves }

func (l *hfLoader) weight(name string, p part, rows, cols int) *op.Weight {
	if l.err != nil {
		return nil
	}
	var s *tensor.Storage
	before, which, after := cutFused(l.family, name)
	if which >= 0 {
		s, l.err = l.third(l.name(before+"attn_qkv"+after), p, which, cols)
	} else {
		s, l.err = l.whole(l.name(name), p, rows, cols)
	}
	return op.NewWeight(name, s)
}

// name returns what the checkpoint calls a GGUF tensor.
func (l *hfLoader) name(gguf string) string {
	name := l.family.names.name(gguf)
	if !l.prefixed {
		name = strings.TrimPrefix(name, l.family.names.base)
	}
	return name
}

// whole returns a tensor, a matrix [rows, cols] or a vector [cols].
func (l *hfLoader) whole(name string, p part, rows, cols int) (*tensor.Storage, error) {
	want := []uint64{uint64(rows), uint64(cols)}
	turned := p == matrix && l.family.turned && strings.HasPrefix(name, l.layers())
	switch {
	case turned:
		slices.Reverse(want)
	case p == gain || p == bias:
		want = want[1:]
	}
	got, ok := l.shape(name)
	if !ok {
		return nil, fmt.Errorf("tensor %q: missing", name)
	}
	if !slices.Equal(got, want) {
		return nil, fmt.Errorf("tensor %q: shape %d, and the configuration says %d", name, got, want)
	}
	s, err := l.storage(name)
	if err != nil {
		return nil, err
	}
	switch s.DType {
	case tensor.F32, tensor.F16, tensor.BF16:
	default:
		return nil, fmt.Errorf("tensor %q: type %v: not supported; supported are F32, F16, BF16", name, s.DType)
	}
	l.taken[name] = true
	switch {
	case turned:
		return turn(s)
	case p == gain && l.family.gainLess1:
		return floats(s, 1)
	case (p == gain || p == bias) && s.DType != tensor.F32:
		return floats(s, 0)
	}
	return s, nil
}

// layers is what the names of a block's tensors begin with.
func (l *hfLoader) layers() string {
	if l.prefixed {
		return l.family.names.layers
	}
	return strings.TrimPrefix(l.family.names.layers, l.family.names.base)
}

// third returns queries, keys or values of a fused tensor. GPT-2 has them one
// below the other, GPT-NeoX head by head.
func (l *hfLoader) third(name string, p part, which, cols int) (*tensor.Storage, error) {
	c := l.config
	heads, n := c.Heads, c.Heads*c.HeadDim
	if p == bias {
		s, err := l.whole(name, p, 1, 3*n)
		if err != nil {
			return nil, err
		}
		if s, err = tensor.NewStorage(s.DType, 3*n, 1, s.Bytes()); err != nil {
			return nil, err
		}
		if s, err = l.rowsOf(s, which, heads); err != nil {
			return nil, err
		}
		return tensor.NewStorage(s.DType, 1, n, s.Bytes())
	}
	s, err := l.whole(name, p, 3*n, cols)
	if err != nil {
		return nil, err
	}
	return l.rowsOf(s, which, heads)
}

// rowsOf picks the rows of queries (0), keys (1) or values (2).
func (l *hfLoader) rowsOf(s *tensor.Storage, which, heads int) (*tensor.Storage, error) {
	n := s.Rows / 3 * s.RowBytes()
	if !l.family.headByHead {
		return tensor.NewStorage(s.DType, s.Rows/3, s.Cols, s.Bytes()[which*n:(which+1)*n])
	}
	b := make([]byte, 0, n)
	head := n / heads
	for h := range heads {
		b = append(b, s.Bytes()[(3*h+which)*head:][:head]...)
	}
	return tensor.NewStorage(s.DType, s.Rows/3, s.Cols, b)
}

// turn returns the transposed matrix, a copy.
func turn(s *tensor.Storage) (*tensor.Storage, error) {
	size := s.RowBytes() / s.Cols
	b := make([]byte, len(s.Bytes()))
	for i := range s.Rows {
		row := s.Row(i)
		for j := range s.Cols {
			copy(b[(j*s.Rows+i)*size:][:size], row[j*size:])
		}
	}
	return tensor.NewStorage(s.DType, s.Cols, s.Rows, b)
}

// floats returns the vector s in float32, with add added.
func floats(s *tensor.Storage, add float32) (*tensor.Storage, error) {
	x := make([]float32, s.Cols)
	if err := s.DequantRow(0, x); err != nil {
		return nil, err
	}
	for i := range x {
		x[i] += add
	}
	return tensor.FromFloat32(1, len(x), x), nil
}

// loadHF makes a network of a checkpoint's tensors.
func loadHF(c Config, tied bool, t tensors) (*Decoder, error) {
	l := &hfLoader{tensors: t, config: &c, family: familyOf(c.Architecture), isTied: tied, prefixed: true, taken: map[string]bool{}}
	if _, ok := t.shape(l.name("token_embd.weight")); !ok {
		l.prefixed = false
		if _, ok := t.shape(l.name("token_embd.weight")); !ok {
			return nil, fmt.Errorf("tensor %q: missing", l.family.names.name("token_embd.weight"))
		}
	}
	last := l.name(fmt.Sprintf("blk.%d.attn_norm.weight", c.Layers-1))
	if _, ok := t.shape(last); !ok {
		return nil, fmt.Errorf("config.json: key %q: %d layers, and there is no tensor %q", "num_hidden_layers", c.Layers, last)
	}
	n, err := assemble(c, l)
	if err != nil {
		return nil, err
	}
	for _, name := range t.names() {
		spare := tied && name == l.name("output.weight") // the same numbers again
		for _, b := range buffers {
			spare = spare || strings.HasSuffix(name, b)
		}
		if !spare && !l.taken[name] {
			return nil, fmt.Errorf("tensor %q: the %s architecture has no such part", name, c.Architecture)
		}
	}
	return n, nil
}
