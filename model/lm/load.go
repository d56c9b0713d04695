package lm

import (
	"fmt"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// loader takes tensors of a file by name and shape, and remembers which.
type loader struct {
	f     *gguf.File
	data  []byte
	taken map[string]bool
	err   error
}

// matrix returns tensor name, which must be rows x cols.
func (l *loader) matrix(name string, rows, cols int) *op.Weight {
	if l.err != nil {
		return nil
	}
	t, ok := l.f.Tensor(name)
	if !ok {
		l.err = fmt.Errorf("tensor %q: missing", name)
		return nil
	}
	s, err := l.f.Storage(l.data, t)
	if err != nil {
		l.err = err
		return nil
	}
	if s.Rows != rows || s.Cols != cols || len(t.Dims) > 2 {
		l.err = fmt.Errorf("tensor %q: shape %d, and the configuration says %d", name, t.Dims, []int{cols, rows})
		return nil
	}
	if err := usable(s.DType); err != nil {
		l.err = fmt.Errorf("tensor %q: %w", name, err)
		return nil
	}
	l.taken[name] = true
	return op.NewWeight(name, s)
}

func (l *loader) failed() error { return l.err }

func (l *loader) embedding(name string, rows, width int) *nn.Embedding {
	return &nn.Embedding{W: l.matrix(name, rows, width)}
}

func (l *loader) linear(name string, out, in int) nn.Layer {
	return &nn.Linear{W: l.matrix(name, out, in)}
}

func (l *loader) norm(name string, width int, eps float32) *nn.RMSNorm {
	w := l.matrix(name, 1, width)
	if l.err == nil && w.DType != tensor.F32 {
		l.err = fmt.Errorf("tensor %q: a norm's gain must be F32, not %v", name, w.DType)
	}
	return &nn.RMSNorm{W: w, Eps: eps}
}

// usable reports whether products with the type exist.
func usable(d tensor.DType) error {
	switch d {
	case tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1,
		tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K:
		return nil
	}
	return fmt.Errorf("type %v: not supported; supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K", d)
}

func loadLlama(c Config, f *gguf.File, data []byte) (*Llama, error) {
	l := &loader{f: f, data: data, taken: map[string]bool{}}
	t, ok := f.Tensor("token_embd.weight")
	if !ok || len(t.Dims) != 2 || t.Dims[1] == 0 || t.Dims[1] > maxVocab {
		return nil, fmt.Errorf("tensor %q: missing, or not a matrix of at most %d rows", "token_embd.weight", maxVocab)
	}
	c.Vocabulary = int(t.Dims[1])
	// A file with fewer tensors than layers is told before anything is made.
	if len(f.Tensors) < 9*c.Layers {
		return nil, fmt.Errorf("key %q: %d layers, and the file has only %d tensors", c.Architecture+".block_count", c.Layers, len(f.Tensors))
	}
	_, untied := f.Tensor("output.weight")
	n, err := assemble(c, l, !untied)
	if err != nil {
		return nil, err
	}
	// A tensor that nothing reads is a part of the model that mica lacks, and
	// answers without it would be wrong without a word.
	for _, t := range f.Tensors {
		if !l.taken[t.Name] {
			return nil, fmt.Errorf("tensor %q: the llama architecture has no such part", t.Name)
		}
	}
	return n, nil
}
