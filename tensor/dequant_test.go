package tensor

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// dtypeOf is the dtype of ggml's name.
func dtypeOf(t *testing.T, name string) DType {
	t.Helper()
	for d := range DType(len(dtypes)) {
		if d.String() == name {
			return d
		}
	}
	t.Fatalf("no dtype %q", name)
	return 0
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func floats(b []byte) []float32 {
	f := make([]float32, len(b)/4)
	for i := range f {
		f[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return f
}

// sameBits treats all NaNs as one: which payload a product of NaNs keeps is up
// to the machine.
func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// TestDequantAgainstGGUF compares with gguf.quants.dequantize on random bytes.
func TestDequantAgainstGGUF(t *testing.T) {
	var doc struct {
		Cases []struct {
			Type       string
			Rows, Cols int
			Data, Want string
		}
	}
	fixture(t, "dequant.json", &doc)
	seen := map[DType]bool{}
	for _, c := range doc.Cases {
		t.Run(c.Type, func(t *testing.T) {
			dt := dtypeOf(t, c.Type)
			seen[dt] = true
			s, err := NewStorage(dt, c.Rows, c.Cols, unbase64(t, c.Data))
			if err != nil {
				t.Fatal(err)
			}
			want := floats(unbase64(t, c.Want))
			got := make([]float32, c.Cols)
			part := make([]float32, 256)
			for i := range c.Rows {
				if err := s.DequantRow(i, got); err != nil {
					t.Fatal(err)
				}
				row := want[i*c.Cols:][:c.Cols]
				for j := range got {
					if !sameBits(got[j], row[j]) {
						t.Fatalf("[%d, %d] = %g, gguf has %g", i, j, got[j], row[j])
					}
				}
				if err := s.DequantCols(i, 256, 512, part); err != nil {
					t.Fatal(err)
				}
				for j := range part {
					if !sameBits(part[j], row[256+j]) {
						t.Fatalf("part [%d, %d] = %g, gguf has %g", i, 256+j, part[j], row[256+j])
					}
				}
			}
		})
	}
	for d := range DType(len(dtypes)) {
		if d.IsFloat() && !seen[d] {
			t.Errorf("%v has no reference", d)
		}
	}
}

// TestQuantizeAgainstGGUF compares with gguf.quants.quantize byte for byte.
func TestQuantizeAgainstGGUF(t *testing.T) {
	var doc struct {
		Rows, Cols int
		Data       string
		Cases      []struct{ Type, Want string }
	}
	fixture(t, "quant.json", &doc)
	data := floats(unbase64(t, doc.Data))
	for _, c := range doc.Cases {
		t.Run(c.Type, func(t *testing.T) {
			dt := dtypeOf(t, c.Type)
			s, err := Quantize(dt, doc.Rows, doc.Cols, data)
			if err != nil {
				t.Fatal(err)
			}
			elems, size := dt.Block()
			got, want := s.Bytes(), unbase64(t, c.Want)
			if len(got) != len(want) {
				t.Fatalf("%d bytes, gguf has %d", len(got), len(want))
			}
			for i := 0; i < len(want); i += size {
				if !bytes.Equal(got[i:i+size], want[i:i+size]) {
					t.Fatalf("block %d of %v:\n got %x\ngguf %x", i/size, data[i/size*elems:][:elems], got[i:i+size], want[i:i+size])
				}
			}
		})
	}
}

func TestQuantizeRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	with := func(v float32) []float32 {
		x := make([]float32, 64)
		for i := range x {
			x[i] = 1
		}
		x[40] = v
		return x
	}
	for _, dt := range []DType{Q8_0, Q4_0, Q4_1} {
		for _, v := range []float32{nan, inf, -inf, 3e38, -3e38} {
			if _, err := Quantize(dt, 2, 32, with(v)); err == nil || !strings.Contains(err.Error(), "row 1, column 0: block scale") {
				t.Errorf("Quantize(%v) of %g: error %v", dt, v, err)
			}
		}
		// Numbers too small for a scale read back as 0, never as NaN.
		if _, err := Quantize(dt, 1, 32, with(1)[:32]); err != nil {
			t.Fatal(err)
		}
		tiny := make([]float32, 32)
		tiny[3], tiny[4] = 1e-45, -3e-44
		s, err := Quantize(dt, 1, 32, tiny)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]float32, 32)
		if err := s.DequantRow(0, out); err != nil {
			t.Fatal(err)
		}
		for _, v := range out {
			if v != 0 {
				t.Errorf("Quantize(%v) of tiny numbers reads back %g", dt, v)
			}
		}
	}
	for _, c := range []struct {
		dt         DType
		rows, cols int
		n          int
		want       string
	}{
		{Q8_0, 1, 32, 31, "31 numbers are not a matrix of 1 x 32"},
		{Q8_0, 1, 33, 33, "33 columns are not a multiple of the Q8_0 block of 32"},
		{Q8_0, 0, 32, 0, "both must be positive"},
		{Q8_0, -1, 32, 0, "both must be positive"},
		{F32, 1, -1, 0, "both must be positive"},
		{F16, math.MaxInt, 2, 0, "numbers are not a matrix"},
		{Q4_K, 1, 256, 256, "no quantiser to Q4_K"},
		{I32, 1, 1, 1, "no quantiser to I32"},
		{DType(99), 1, 1, 1, "unknown dtype DType(99)"},
	} {
		if _, err := Quantize(c.dt, c.rows, c.cols, make([]float32, c.n)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Quantize(%v, %d, %d): error %v, want %q", c.dt, c.rows, c.cols, err, c.want)
		}
	}
}

func BenchmarkDequantRow(b *testing.B) {
	for d := range DType(len(dtypes)) {
		if !d.IsFloat() {
			continue
		}
		b.Run(d.String(), func(b *testing.B) {
			const cols = 4096
			n, err := d.RowBytes(cols)
			if err != nil {
				b.Fatal(err)
			}
			s, err := NewStorage(d, 1, cols, make([]byte, n))
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]float32, cols)
			b.SetBytes(4 * cols) // of float32 written
			for b.Loop() {
				if err := s.DequantRow(0, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
