package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"
)

// Encode writes f to w, with data(i) as the bytes of tensor i. The place of each
// tensor follows from the sizes; Tensor.Offset and Size are not read. A Version
// of 0 means 3, an Alignment of 0 what the metadata says (32 if it is silent);
// another one must agree with it. What Encode writes, Parse accepts.
func Encode(w io.Writer, f *File, data func(i int) []byte) error {
	version := f.Version
	if version == 0 {
		version = 3
	}
	if version != 2 && version != 3 {
		return fmt.Errorf("gguf: version %d cannot be written, only 2 and 3", version)
	}
	meta := f.Meta
	if meta == nil {
		meta = new(Meta)
	}
	alignment, err := meta.alignment()
	if err != nil {
		return err
	}
	if f.Alignment != 0 && f.Alignment != alignment {
		return fmt.Errorf("gguf: alignment %d differs from %d in the metadata", f.Alignment, alignment)
	}
	sizes, err := encodable(f.Tensors)
	if err != nil {
		return err
	}

	e := &encoder{w: bufio.NewWriter(w)}
	e.text("GGUF")
	e.put(version, uint64(len(f.Tensors)), uint64(len(meta.keys)))
	for key, v := range meta.All() {
		e.string(key)
		e.value(v)
	}
	offset := int64(0)
	for i, t := range f.Tensors {
		e.string(t.Name)
		e.put(uint32(len(t.Dims)), t.Dims, uint32(t.Type), uint64(offset))
		offset = alignUp(offset+sizes[i], alignment)
	}
	e.pad(alignment)
	for i, t := range f.Tensors {
		b := data(i)
		if int64(len(b)) != sizes[i] {
			return fmt.Errorf("gguf: tensor %q takes %d bytes, have %d", t.Name, sizes[i], len(b))
		}
		e.bytes(b)
		e.pad(alignment)
	}
	if err := e.w.Flush(); err != nil {
		return fmt.Errorf("gguf: write: %w", err)
	}
	return nil
}

// encodable checks the tensor table as Parse would, and returns the sizes.
func encodable(tensors []Tensor) ([]int64, error) {
	if len(tensors) > maxTensors {
		return nil, fmt.Errorf("gguf: %d tensors exceed the limit of %d", len(tensors), maxTensors)
	}
	sizes := make([]int64, len(tensors))
	seen := make(map[string]bool, len(tensors))
	total := int64(0)
	for i, t := range tensors {
		size, problem := t.Type.size(t.Dims)
		switch {
		case t.Name == "" || len(t.Name) > maxName || !utf8.ValidString(t.Name):
			problem = fmt.Sprintf("name is not 1 to %d bytes of UTF-8", maxName)
		case seen[t.Name]:
			problem = "duplicate name"
		case problem == "" && size > maxFile-total:
			problem = "file would be too large"
		}
		if problem != "" {
			return nil, fmt.Errorf("gguf: tensor %q: %s", t.Name, problem)
		}
		seen[t.Name] = true
		sizes[i] = size
		total += size + maxAlignment
	}
	return sizes, nil
}

// maxFile keeps sums of sizes and padding far from overflow.
const maxFile = 1 << 62

// encoder writes fields. The bufio.Writer keeps the first error; Flush tells it.
type encoder struct {
	w *bufio.Writer
	n int64 // bytes written so far
}

func (e *encoder) bytes(b []byte) {
	n, _ := e.w.Write(b)
	e.n += int64(n)
}

func (e *encoder) text(s string) { e.bytes([]byte(s)) }

func (e *encoder) string(s string) {
	e.put(uint64(len(s)))
	e.text(s)
}

// put writes fixed-width numbers, bools, or slices of them.
func (e *encoder) put(values ...any) {
	for _, v := range values {
		// The error is for types without a fixed width; none comes here.
		b, _ := binary.Append(nil, binary.LittleEndian, v)
		e.bytes(b)
	}
}

func (e *encoder) pad(alignment uint64) {
	e.bytes(make([]byte, alignUp(e.n, alignment)-e.n))
}

// value writes a metadata value, type first.
func (e *encoder) value(v any) {
	k, isArray, _ := kindOf(v) // Meta holds nothing else
	if isArray {
		e.put(uint32(kindArray))
	}
	e.put(uint32(k))
	switch v := v.(type) {
	case string:
		e.string(v)
	case []string:
		e.put(uint64(len(v)))
		for _, s := range v {
			e.string(s)
		}
	default:
		if isArray {
			e.put(uint64(reflect.ValueOf(v).Len()))
		}
		e.put(v)
	}
}
