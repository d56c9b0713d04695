package gguf

import (
	"fmt"
	"io"
	"math"
)

// What a file may hold. The limits are far above any real model and low enough
// that what Parse allocates stays in proportion to the file.
const (
	maxKeys      = 1 << 16
	maxTensors   = 1 << 16
	maxName      = 256     // bytes of a key or tensor name
	maxString    = 1 << 20 // bytes of a string value or array element
	maxDims      = 4
	minAlignment = 8 // the format asks for a multiple of 8
	maxAlignment = 1 << 20

	defaultAlignment = 32
	alignmentKey     = "general.alignment"

	minKeyRecord    = 8 + 1 + 4 + 1         // key length, key, type, value
	minTensorRecord = 8 + 1 + 4 + 8 + 4 + 8 // name length, name, dimension count, one dimension, type, offset
)

// Parse reads and checks the header, metadata and tensor table of the file of
// size bytes behind r. Errors are a [*FormatError] if the file is at fault, and
// wrap the reader's error if that is. Bytes after the last tensor are ignored.
//
// In memory the result is at most four times the size of the file and 16 MiB,
// whatever the file claims.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	if size < 0 {
		return nil, fmt.Errorf("gguf: size %d is negative", size)
	}
	d := newDecoder(r, size)
	f := &File{Meta: new(Meta), Alignment: defaultAlignment}
	keys, tensors := d.header(f)
	if d.err == nil {
		f.Meta.grow(int(keys))
	}
	for i := range keys {
		if d.err != nil {
			break
		}
		d.entry(i, f)
	}
	if d.err == nil {
		f.Tensors = make([]Tensor, 0, tensors)
		f.byName = make(map[string]int, tensors)
	}
	at := make([]int64, 0, cap(f.Tensors)) // where each tensor's offset field stands
	for i := range tensors {
		if d.err != nil {
			break
		}
		at = append(at, d.tensor(i, f))
	}
	d.place(f, at)
	if d.err != nil {
		return nil, d.err
	}
	return f, nil
}

func (d *decoder) header(f *File) (keys, tensors uint64) {
	d.record = record{kind: "header"}
	if magic := d.bytes(4, "magic"); d.err == nil && string(magic) != "GGUF" {
		d.fail(0, "magic is %q, want \"GGUF\"", magic)
	}
	f.Version = d.u32("version")
	switch v := f.Version; {
	case d.err != nil:
	case v == 1:
		d.fail(4, "version 1 is not supported, only 2 and 3; convert the file again")
	case v != 0 && v&0xffff == 0:
		d.fail(4, "big-endian file (version %#08x); only little-endian files are supported", v)
	case v != 2 && v != 3:
		d.fail(4, "version %d is not supported, only 2 and 3", v)
	}
	tensors, keys = d.u64("tensor count"), d.u64("key count")
	switch {
	case keys > maxKeys:
		d.fail(16, "key count %d exceeds the limit of %d", keys, maxKeys)
	case keys > d.left()/minKeyRecord:
		d.fail(16, "key count %d needs more than the %d bytes left", keys, d.left())
	case tensors > maxTensors:
		d.fail(8, "tensor count %d exceeds the limit of %d", tensors, maxTensors)
	case tensors > d.left()/minTensorRecord:
		d.fail(8, "tensor count %d needs more than the %d bytes left", tensors, d.left())
	}
	return keys, tensors
}

// entry reads the i-th key and its value.
func (d *decoder) entry(i uint64, f *File) {
	d.record = record{kind: "key", index: i}
	at := d.off
	key := d.name("key")
	if d.err != nil {
		return
	}
	d.record.name = key
	if f.Meta.Has(key) {
		d.fail(at, "duplicate key")
		return
	}
	at = d.off
	v := d.value()
	if key == alignmentKey && d.err == nil {
		var problem string
		if f.Alignment, problem = alignmentOf(v); problem != "" {
			d.fail(at, "%s", problem)
		}
	}
	if d.err == nil {
		f.Meta.set(key, v)
	}
}

// tensor reads the i-th entry of the tensor table and returns the place of its
// offset field. The offset still counts from the start of the data section.
func (d *decoder) tensor(i uint64, f *File) int64 {
	d.record = record{kind: "tensor", index: i}
	at := d.off
	t := Tensor{Name: d.name("name")}
	if d.err != nil {
		return 0
	}
	d.record.name = t.Name
	if _, ok := f.byName[t.Name]; ok {
		d.fail(at, "duplicate name")
		return 0
	}
	at = d.off
	n := d.u32("dimension count")
	if d.err == nil && (n < 1 || n > maxDims) {
		d.fail(at, "%d dimensions, want 1 to %d", n, maxDims)
		return 0
	}
	t.Dims = make([]uint64, n)
	for i := range t.Dims {
		t.Dims[i] = d.u64("dimension")
	}
	t.Type = Type(d.u32("type"))
	offsetAt := d.off
	offset := d.u64("offset")
	if d.err != nil {
		return 0
	}
	var problem string
	if t.Size, problem = t.Type.size(t.Dims); problem != "" {
		d.fail(at, "%s", problem)
		return 0
	}
	if offset%f.Alignment != 0 {
		d.fail(offsetAt, "offset %d is not a multiple of the alignment %d", offset, f.Alignment)
		return 0
	}
	if offset > math.MaxInt64 {
		d.fail(offsetAt, "offset %d overflows", offset)
		return 0
	}
	t.Offset = int64(offset)
	f.byName[t.Name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, t)
	return offsetAt
}

// place turns the offsets into places in the file. As in llama.cpp each tensor
// must begin where the padded one before it ends: no two overlap, and there is
// no room between them for anything else.
func (d *decoder) place(f *File, at []int64) {
	if d.err != nil || len(f.Tensors) == 0 {
		return
	}
	d.record = record{kind: "header"}
	base := alignUp(d.off, f.Alignment) // cannot overflow: there is a file up to d.off
	if base > d.size {
		d.fail(d.off, "tensor data would begin at byte %d, the file has %d", base, d.size)
		return
	}
	room := d.size - base
	next := int64(0) // where the next tensor must begin, relative to base
	for i := range f.Tensors {
		t := &f.Tensors[i]
		d.record = record{kind: "tensor", name: t.Name}
		switch {
		case t.Offset > room || t.Size > room-t.Offset:
			d.fail(at[i], "data at offset %d of %d bytes ends beyond the file (data section of %d bytes)", t.Offset, t.Size, room)
			return
		case t.Offset < next:
			d.fail(at[i], "offset %d overlaps the tensor before, which ends at %d", t.Offset, next)
			return
		case t.Offset > next:
			d.fail(at[i], "offset %d leaves a gap, the tensor before ends at %d", t.Offset, next)
			return
		}
		// Within the file so far, hence far from overflow.
		next = alignUp(t.Offset+t.Size, f.Alignment)
		t.Offset += base
	}
}

func alignUp(n int64, alignment uint64) int64 {
	a := int64(alignment)
	return (n + a - 1) / a * a
}
