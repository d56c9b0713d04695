package safetensors

import (
	"fmt"
	"math"

	"github.com/micaml/mica/tensor"
)

// File is the checked description of a safetensors file. It holds no tensor data.
type File struct {
	Metadata map[string]string // nil if the file has none
	Tensors  []Tensor          // by offset; together they fill the data section

	byName map[string]int
}

// Tensor is one entry of the header.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []uint64 // 0 to 8 dimensions, row-major: the last is the length of a row (columns); any may be 0
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

// Storage views tensor t in mapping, the bytes of the whole file: the last
// dimension as columns and the product of the others as rows, so that a vector is
// one row and a scalar one number. A tensor without elements and one of a type
// that mica cannot compute with are errors. The range is compared with the mapping
// and the shape with the range again, whatever Parse has found: the file behind a
// mapping may be another one.
func (f *File) Storage(mapping []byte, t Tensor) (*tensor.Storage, error) {
	fail := func(format string, args ...any) (*tensor.Storage, error) {
		return nil, fmt.Errorf("safetensors: tensor %q: "+format, append([]any{t.Name}, args...)...)
	}
	size, problem := t.Type.size(t.Shape)
	if problem != "" {
		return fail("%s", problem)
	}
	d, ok := dtypes[t.Type]
	if !ok {
		return fail("type %v is not supported", t.Type)
	}
	n := int64(len(mapping))
	if size != t.Size || t.Offset < 0 || t.Offset > n || t.Size > n-t.Offset {
		return fail("%d bytes at %d are not a %v of shape %d within %d bytes", t.Size, t.Offset, t.Type, t.Shape, n)
	}
	rows, cols := uint64(1), uint64(1)
	for _, d := range t.Shape {
		rows, cols = rows*cols, d // cannot overflow: size has multiplied all dimensions
	}
	if rows > math.MaxInt || cols > math.MaxInt {
		return fail("shape %d is too large for this machine", t.Shape)
	}
	s, err := tensor.NewStorage(d, int(rows), int(cols), mapping[t.Offset:t.Offset+t.Size])
	if err != nil {
		return fail("shape %d: %w", t.Shape, err)
	}
	return s, nil
}

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset  int64  // byte offset of what is at fault
	Where   string // "header", "metadata", `tensor "lm_head.weight"`, "index"
	Problem string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("safetensors: %s: %s (at byte %d)", e.Where, e.Problem, e.Offset)
}
