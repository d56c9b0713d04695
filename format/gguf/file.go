package gguf

import (
	"fmt"
	"math"

	"github.com/micaml/mica/tensor"
)

// File is the checked description of a GGUF file. It holds no tensor data.
type File struct {
	Version   uint32   // 2 or 3
	Alignment uint64   // of tensor data, in bytes
	Meta      *Meta    // never nil after Parse
	Tensors   []Tensor // in file order, which is also the order of the data

	byName map[string]int
}

// Tensor is one entry of the tensor table.
type Tensor struct {
	Name   string
	Type   Type
	Dims   []uint64 // 1 to 4, in ggml's order: Dims[0] is the length of a row (columns)
	Offset int64    // of the data from the start of the file
	Size   int64    // of the data; Offset+Size does not exceed the file
}

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (Tensor, bool) {
	if i, ok := f.byName[name]; ok {
		return f.Tensors[i], true
	}
	return Tensor{}, false
}

// Storage views tensor t in mapping, the bytes of the whole file: Dims[0]
// columns and the product of the other dimensions as rows, so that a vector is
// one row. The range is compared with the mapping and the shape with the range
// again, whatever Parse has found: the file behind a mapping may be another one.
func (f *File) Storage(mapping []byte, t Tensor) (*tensor.Storage, error) {
	fail := func(err error) (*tensor.Storage, error) {
		return nil, fmt.Errorf("gguf: tensor %q: %w", t.Name, err)
	}
	d, err := t.Type.DType()
	if err != nil {
		return nil, fmt.Errorf("gguf: tensor %q: type %v is not supported", t.Name, t.Type)
	}
	size, problem := t.Type.size(t.Dims)
	if problem != "" {
		return fail(fmt.Errorf("%s", problem))
	}
	n := int64(len(mapping))
	if size != t.Size || t.Offset < 0 || t.Offset > n || t.Size > n-t.Offset {
		return fail(fmt.Errorf("bytes %d to %d are not a %v of shape %d within %d bytes", t.Offset, t.Offset+t.Size, t.Type, t.Dims, n))
	}
	rows := uint64(1)
	for _, d := range t.Dims[1:] {
		rows *= d // cannot overflow: size has multiplied all dimensions
	}
	if rows > math.MaxInt || t.Dims[0] > math.MaxInt {
		return fail(fmt.Errorf("shape %d is too large for this machine", t.Dims))
	}
	s, err := tensor.NewStorage(d, int(rows), int(t.Dims[0]), mapping[t.Offset:t.Offset+t.Size])
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset  int64  // byte offset of the field at fault
	Where   string // "header", `key "general.name"`, `tensor "output.weight"`
	Problem string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("gguf: %s: %s (at byte %d)", e.Where, e.Problem, e.Offset)
}
