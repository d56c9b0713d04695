package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf8"
)

// decoder reads fields in order and stops at the first that is wrong: after
// that err is set and every read gives zero. Nothing is allocated before the
// bytes that fill it are known to be there.
type decoder struct {
	r       *bufio.Reader
	off     int64 // of the next byte
	size    int64
	record  record // what is being read, for errors
	scratch []byte
	err     error
}

// record is the header, or a key or tensor by its name once that is known. Its
// text is only made when an error needs it.
type record struct {
	kind  string // "header", "key", "tensor"
	index uint64
	name  string
}

func (r record) String() string {
	switch {
	case r.kind == "header":
		return r.kind
	case r.name == "":
		return fmt.Sprintf("%s %d", r.kind, r.index)
	default:
		return fmt.Sprintf("%s %q", r.kind, r.name)
	}
}

func newDecoder(r io.ReaderAt, size int64) *decoder {
	return &decoder{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<16), size: size}
}

func (d *decoder) left() uint64 { return uint64(d.size - d.off) }

// fail records that the field at byte at is wrong.
func (d *decoder) fail(at int64, format string, args ...any) {
	if d.err == nil {
		d.err = &FormatError{Offset: at, Where: d.record.String(), Problem: fmt.Sprintf(format, args...)}
	}
}

// bytes returns the next n bytes, valid until the next read; nil after an error.
func (d *decoder) bytes(n uint64, field string) []byte {
	if d.err != nil {
		return nil
	}
	if n > d.left() {
		d.fail(d.off, "%s takes %d bytes, the file has %d more", field, n, d.left())
		return nil
	}
	if uint64(len(d.scratch)) < n {
		d.scratch = make([]byte, max(n, 64))
	}
	b := d.scratch[:n]
	if _, err := io.ReadFull(d.r, b); err != nil {
		// The size was a promise: a reader that ends earlier has failed.
		d.err = fmt.Errorf("gguf: %s: reading %s at byte %d: %w", d.record, field, d.off, err)
		return nil
	}
	d.off += int64(n)
	return b
}

func (d *decoder) u32(field string) uint32 {
	if b := d.bytes(4, field); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64(field string) uint64 {
	if b := d.bytes(8, field); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text reads a string of at most limit bytes.
func (d *decoder) text(field string, limit uint64, utf8Only bool) string {
	at := d.off
	n := d.u64("length")
	if d.err == nil && n > limit {
		d.fail(at, "%s length %d exceeds the limit of %d", field, n, limit)
	}
	b := d.bytes(n, field)
	if utf8Only && !utf8.Valid(b) {
		d.fail(at+8, "%s is not UTF-8", field)
	}
	return string(b)
}

// name reads the key of a value or the name of a tensor.
func (d *decoder) name(field string) string {
	at := d.off
	s := d.text(field, maxName, true)
	if s == "" {
		d.fail(at, "%s is empty", field)
	}
	return s
}

func (d *decoder) bool() bool {
	b := d.bytes(1, "value")
	if b == nil {
		return false
	}
	if b[0] > 1 {
		d.fail(d.off-1, "bool is %d, want 0 or 1", b[0])
	}
	return b[0] == 1
}

// piece reads a string of an array. It may hold any bytes: the pieces of a
// byte-level vocabulary need not be UTF-8 one by one.
func (d *decoder) piece() string { return d.text("element", maxString, false) }

// value reads a metadata value, type first, as a Go value.
func (d *decoder) value() any {
	at := d.off
	k := kind(d.u32("value type"))
	if k != kindArray {
		if c, ok := kinds[k]; ok {
			return c.read(d)
		}
		d.fail(at, "value type %d is unknown", uint32(k))
		return nil
	}
	at = d.off
	k = kind(d.u32("element type"))
	n := d.u64("element count")
	if k == kindArray {
		d.fail(at, "array of arrays")
	}
	c, ok := kinds[k]
	if !ok {
		d.fail(at, "element type %d is unknown", uint32(k))
	}
	if d.err != nil {
		return nil
	}
	return c.readMany(d, n)
}
