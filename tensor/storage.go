package tensor

import (
	"fmt"
	"unsafe"
)

// Storage is an immutable matrix of weights, [rows, cols] in row-major order,
// in place in a mapped file or on the heap. The exported fields are for reading
// only. A Storage over a Mapping is valid until the Mapping is closed.
type Storage struct {
	DType DType
	Rows  int
	Cols  int

	data     []byte // exactly Rows * rowBytes; 4-aligned when DType is F32
	rowBytes int
}

// NewStorage checks that b is exactly a rows x cols matrix of dt and views it as
// such. It is the one constructor between bytes and tensors, and everything that
// later reads the matrix relies on its comparison: rows and cols positive, cols
// a multiple of the block, no product overflowing, len(b) exact. The bytes are
// not copied (float32 data off a 4-byte boundary, which no well-formed file
// has, is the exception) and must not change while the Storage is in use.
func NewStorage(dt DType, rows, cols int, b []byte) (*Storage, error) {
	if rows <= 0 || cols <= 0 {
		return nil, fmt.Errorf("tensor of %d x %d: both must be positive", rows, cols)
	}
	rowBytes, err := dt.RowBytes(cols)
	if err != nil {
		return nil, fmt.Errorf("tensor of %d x %d: %w", rows, cols, err)
	}
	want, err := mul(rows, rowBytes)
	if err != nil {
		return nil, fmt.Errorf("tensor of %d x %d %v: %w", rows, cols, dt, err)
	}
	if len(b) != want {
		return nil, fmt.Errorf("tensor of %d x %d %v takes %d bytes, have %d", rows, cols, dt, want, len(b))
	}
	if dt == F32 && !aligned4(b) {
		f := make([]float32, len(b)/4) // allocated as float32 so that it is aligned
		copy(bytesOf(f), b)
		b = bytesOf(f)
	}
	return &Storage{DType: dt, Rows: rows, Cols: cols, data: b[:len(b):len(b)], rowBytes: rowBytes}, nil
}

// FromFloat32 makes an F32 Storage of data, [rows, cols] in row-major order,
// without copying it. It panics if rows or cols is not positive or len(data) is
// not rows*cols: unlike NewStorage it is for numbers that the program made.
func FromFloat32(rows, cols int, data []float32) *Storage {
	s, err := NewStorage(F32, rows, cols, bytesOf(data))
	if err != nil {
		panic("tensor.FromFloat32: " + err.Error())
	}
	return s
}

// Bytes returns the stored bytes of the whole matrix. They must not be written.
func (s *Storage) Bytes() []byte { return s.data }

// RowBytes returns how many bytes one row takes.
func (s *Storage) RowBytes() int { return s.rowBytes }

// Row returns the stored bytes of row i. They must not be written. Like an index
// expression it panics if i is out of range.
func (s *Storage) Row(i int) []byte {
	o := i * s.rowBytes
	return s.data[o : o+s.rowBytes : o+s.rowBytes]
}

// F32 views the whole matrix as float32 numbers, [rows, cols], without copying;
// false if the dtype is not F32. The numbers must not be written: in a mapped
// file a write is a fault.
func (s *Storage) F32() ([]float32, bool) {
	if s.DType != F32 || !aligned4(s.data) {
		return nil, false
	}
	// The length comes from the bytes that are there, never from Rows and Cols.
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(s.data))), len(s.data)/4), true
}

func aligned4(b []byte) bool { return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%4 == 0 }

func bytesOf(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), len(f)*4)
}
