package optim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// The codebooks are bitsandbytes', bit by bit, and nearest finds what is nearest.
func TestCodebooks(t *testing.T) {
	b, err := os.ReadFile("testdata/bytes.json")
	if err != nil {
		t.Fatal(err)
	}
	type numbers struct{ F32 string }
	var f struct{ Signed, Unsigned numbers }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		book *codebook
		text string
	}{{"signed", &signed, f.Signed.F32}, {"unsigned", &unsigned, f.Unsigned.F32}} {
		raw, err := base64.StdEncoding.DecodeString(c.text)
		if err != nil || len(raw) != 4*256 {
			t.Fatal(len(raw), err)
		}
		for i, v := range c.book.values {
			want := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			if v != want {
				t.Errorf("%s[%d] is %v, want %v", c.name, i, v, want)
			}
		}
		for i, v := range c.book.values {
			if got := nearest(c.book, v); int(got) != i {
				t.Errorf("%s: %v is code %d, found %d", c.name, v, i, got)
			}
		}
		check := func(x float32) {
			got, best := nearest(c.book, x), math.Inf(1)
			for _, v := range c.book.values {
				best = min(best, math.Abs(float64(v)-float64(x)))
			}
			if c.book.zero == 0 && x > 0 && got == 0 {
				t.Errorf("%s: %v becomes 0", c.name, x)
			}
			have := math.Abs(float64(c.book.values[got]) - float64(x))
			if c.book.zero == 0 && got == 1 {
				return // rounded up from near 0
			}
			if have > best+3e-7*float64(max(x, -x)) {
				t.Errorf("%s: %v becomes %v, %v away; the nearest is %v away", c.name, x, c.book.values[got], have, best)
			}
		}
		low := float32(-1)
		if c.book == &unsigned {
			low = 0
		}
		for i := range 1 << 16 {
			check(low + (1-low)*float32(i)/(1<<16))
		}
		// Beside the middles, beside every bucket, and of all sizes.
		for i := 1; i < 256; i++ {
			m := (c.book.values[i-1] + c.book.values[i]) / 2
			for _, x := range []float32{m, math.Nextafter32(m, 2), math.Nextafter32(m, -2)} {
				check(x)
			}
		}
		for bits := uint32(0); bits <= math.Float32bits(1); bits += 0x7fff {
			check(math.Float32frombits(bits))
			if c.book == &signed {
				check(-math.Float32frombits(bits))
			}
		}
		codes := []uint8{1, 1}
		if scale := c.book.encode(codes, []float32{0, float32(math.Copysign(0, -1))}); scale != 0 || codes[0] != c.book.zero || codes[1] != c.book.zero {
			t.Errorf("%s: zeros become codes %d of scale %v", c.name, codes, scale)
		}
		if scale := c.book.encode(codes, []float32{1, float32(math.NaN())}); scale == scale {
			t.Errorf("%s: the scale of a NaN is %v", c.name, scale)
		}
	}
}

// nearest encodes x as a part of a block whose scale is 1.
func nearest(b *codebook, x float32) uint8 {
	var codes [2]uint8
	b.encode(codes[:], []float32{1, x})
	return codes[1]
}
