package tensor

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestNewStorageChecksSizes(t *testing.T) {
	for _, c := range []struct {
		dt         DType
		rows, cols int
		have       int
		want       string // "" if it is right
	}{
		{F32, 2, 3, 24, ""},
		{Q4_1, 2, 64, 80, ""},
		{Q6_K, 1, 256, 210, ""},
		{I64, 1, 2, 16, ""},
		{F32, 2, 3, 23, "takes 24 bytes, have 23"},
		{F32, 2, 3, 25, "takes 24 bytes, have 25"},
		{F32, 2, 3, 0, "takes 24 bytes, have 0"},
		{F32, 0, 3, 0, "both must be positive"},
		{F32, 3, 0, 0, "both must be positive"},
		{F32, -1, -24, 24, "both must be positive"},
		{Q4_1, 1, 31, 20, "31 columns are not a multiple of the Q4_1 block of 32"},
		{Q6_K, 1, 32, 210, "not a multiple of the Q6_K block of 256"},
		{DType(200), 1, 1, 1, "unknown dtype DType(200)"},
		// Products that wrap around to what is there.
		{F32, 1, math.MaxInt/4 + 1, 0, "size overflows"},
		{F32, math.MaxInt, 2, 0, "size overflows"},
		{F32, math.MaxInt/8 + 1, 4, 0, "size overflows"},
		{Q8_0, 1 << (intSize / 2), 1 << (intSize/2 - 1), 0, "size overflows"},
	} {
		s, err := NewStorage(c.dt, c.rows, c.cols, make([]byte, c.have))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v %d x %d: %v", c.dt, c.rows, c.cols, err)
		case c.want == "" && len(s.Bytes()) != c.have:
			t.Errorf("%v %d x %d: %d bytes", c.dt, c.rows, c.cols, len(s.Bytes()))
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v %d x %d over %d bytes: error %v, want %q", c.dt, c.rows, c.cols, c.have, err, c.want)
		}
	}
}

const intSize = 32 << (^uint(0) >> 63)

func TestRowBytes(t *testing.T) {
	for d := range DType(len(dtypes)) {
		elems, size := d.Block()
		if n, err := d.RowBytes(3 * elems); n != 3*size || err != nil {
			t.Errorf("%v: RowBytes of 3 blocks = %d, %v, want %d", d, n, err, 3*size)
		}
		if n, err := d.RowBytes(0); n != 0 || err != nil {
			t.Errorf("%v: RowBytes(0) = %d, %v", d, n, err)
		}
		if _, err := d.RowBytes(-elems); err == nil {
			t.Errorf("%v: RowBytes of a negative number: no error", d)
		}
		if elems > 1 {
			if _, err := d.RowBytes(elems + 1); err == nil {
				t.Errorf("%v: RowBytes(%d): no error", d, elems+1)
			}
		}
		if size > elems {
			if _, err := d.RowBytes(math.MaxInt / elems * elems); err == nil {
				t.Errorf("%v: RowBytes near the largest int: no error", d)
			}
		}
	}
}

func TestF32ViewSharesMemory(t *testing.T) {
	data := []float32{1, 2, 3, 4, 5, 6}
	s := FromFloat32(2, 3, data)
	v, ok := s.F32()
	if !ok || &v[0] != &data[0] || len(v) != 6 {
		t.Errorf("F32 is not a view of the data")
	}
	if got := s.Row(1); len(got) != 12 || cap(got) != 12 || !bytes.Equal(got, s.Bytes()[12:]) {
		t.Errorf("Row(1) = %x (cap %d)", got, cap(got))
	}
	row := make([]float32, 3)
	if err := s.DequantRow(1, row); err != nil || row[0] != 4 || row[2] != 6 {
		t.Errorf("DequantRow(1) = %v, %v", row, err)
	}
	h, err := NewStorage(F16, 1, 2, make([]byte, 4))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := h.F32(); ok {
		t.Error("F32 of an F16 storage succeeds")
	}
}

func TestMisalignedF32IsCopied(t *testing.T) {
	want := []float32{1.5, -2.25, math.MaxFloat32}
	src := bytesOf(want)
	for shift := range 4 {
		buf := make([]byte, 4+len(src))
		b := buf[shift:][:len(src)]
		copy(b, src)
		s, err := NewStorage(F32, 1, 3, b)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := s.F32()
		if !ok || v[0] != want[0] || v[1] != want[1] || v[2] != want[2] {
			t.Errorf("shift %d: F32 = %v, %v", shift, v, ok)
		}
		if !bytes.Equal(s.Bytes(), src) {
			t.Errorf("shift %d: Bytes = %x", shift, s.Bytes())
		}
	}
}

func TestFromFloat32Panics(t *testing.T) {
	for _, c := range [][3]int{{2, 3, 5}, {0, 3, 0}, {1, -1, 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("FromFloat32(%d, %d) of %d numbers does not panic", c[0], c[1], c[2])
				}
			}()
			FromFloat32(c[0], c[1], make([]float32, c[2]))
		}()
	}
}

func TestDequantRefuses(t *testing.T) {
	s, err := NewStorage(Q4_0, 2, 64, make([]byte, 72))
	if err != nil {
		t.Fatal(err)
	}
	ints, err := NewStorage(I32, 1, 4, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s           *Storage
		i, from, to int
		n           int
		want        string
	}{
		{s, -1, 0, 64, 64, "row -1 outside 0..1"},
		{s, 2, 0, 64, 64, "row 2 outside 0..1"},
		{s, 0, 0, 96, 96, "columns 0..96 outside 0..64"},
		{s, 0, -32, 32, 64, "columns -32..32 outside"},
		{s, 0, 64, 32, 0, "columns 64..32 outside"},
		{s, 0, 16, 64, 48, "not multiples of the Q4_0 block of 32"},
		{s, 0, 0, 16, 16, "not multiples of the Q4_0 block of 32"},
		{s, 0, 0, 64, 32, "64 columns into 32 numbers"},
		{s, 0, 0, 64, 65, "64 columns into 65 numbers"},
		{ints, 0, 0, 4, 4, "I32 does not hold floats"},
	} {
		if err := c.s.DequantCols(c.i, c.from, c.to, make([]float32, c.n)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("DequantCols(%d, %d, %d): error %v, want %q", c.i, c.from, c.to, err, c.want)
		}
	}
	if err := s.DequantCols(1, 64, 64, nil); err != nil {
		t.Errorf("empty range: %v", err)
	}
}

// FuzzDequant: whatever NewStorage accepts can be read to the last block, and
// nothing panics.
func FuzzDequant(f *testing.F) {
	for d := range DType(len(dtypes)) {
		elems, size := d.Block()
		f.Add(uint8(d), 1, elems, bytes.Repeat([]byte{0xff}, size))
		f.Add(uint8(d), 2, 2*elems, make([]byte, 4*size))
		f.Add(uint8(d), math.MaxInt, elems, make([]byte, size))
	}
	f.Add(uint8(99), 1, 1, []byte{0})
	f.Fuzz(func(t *testing.T, d uint8, rows, cols int, b []byte) {
		s, err := NewStorage(DType(d), rows, cols, b)
		if err != nil {
			return
		}
		elems, size := s.DType.Block()
		if s.Rows*(s.Cols/elems)*size != len(b) || s.Cols%elems != 0 {
			t.Fatalf("%v %d x %d accepted over %d bytes", s.DType, rows, cols, len(b))
		}
		row, block := make([]float32, cols), make([]float32, elems)
		for i := range rows {
			err := s.DequantRow(i, row)
			if (err == nil) != s.DType.IsFloat() {
				t.Fatalf("DequantRow(%d) of %v: %v", i, s.DType, err)
			}
			if err != nil {
				return
			}
			if err := s.DequantCols(i, cols-elems, cols, block); err != nil {
				t.Fatal(err)
			}
			for j, v := range block {
				if !sameBits(v, row[cols-elems+j]) {
					t.Fatalf("last block differs at %d: %g, in the row %g", j, v, row[cols-elems+j])
				}
			}
		}
	})
}
