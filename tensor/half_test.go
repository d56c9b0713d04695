package tensor

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// fixture reads a file of testdata that tools/oracle/gguf_quants.py wrote.
func fixture(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestHalfAgainstNumPy compares checksums over whole ranges: every 16-bit
// pattern, every tie between neighbours with the float32 on each side, and 2^20
// patterns spread over float32.
func TestHalfAgainstNumPy(t *testing.T) {
	var want map[string]string
	fixture(t, "half.json", &want)

	widen := func(to func(uint16) float32) []byte {
		var b []byte
		for h := range 1 << 16 {
			f := to(uint16(h))
			if f != f {
				f = 0
			}
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
		return b
	}
	narrow := func(to func(float32) uint16, in []float32) []byte {
		var b []byte
		for _, f := range in {
			b = binary.LittleEndian.AppendUint16(b, to(f))
		}
		return b
	}
	var ties, bties, weyl []float32
	for h := range uint16(0x7c00) {
		// The upper neighbour of the largest finite number would be 2^16.
		lo, hi := slowF16(h), slowF16(h+1)
		if h == 0x7bff {
			hi = 65536
		}
		mid := float32((lo + hi) / 2)
		ties = append(ties, math.Nextafter32(mid, 0), mid, math.Nextafter32(mid, float32(math.Inf(1))))
	}
	for h := range uint32(0x7f80) {
		mid := h<<16 + 0x8000
		bties = append(bties, math.Float32frombits(mid-1), math.Float32frombits(mid), math.Float32frombits(mid+1))
	}
	for i := range uint32(1 << 20) {
		f := math.Float32frombits(i * 2654435761)
		if f != f {
			f = 0
		}
		weyl = append(weyl, f)
	}
	for name, b := range map[string][]byte{
		"f16_to_f32":   widen(F16ToF32),
		"bf16_to_f32":  widen(BF16ToF32),
		"ties_to_f16":  narrow(F32ToF16, ties),
		"weyl_to_f16":  narrow(F32ToF16, weyl),
		"ties_to_bf16": narrow(F32ToBF16, bties),
		"weyl_to_bf16": narrow(F32ToBF16, weyl),
	} {
		sum := sha256.Sum256(b)
		if got := hex.EncodeToString(sum[:]); got != want[name] {
			t.Errorf("%s: checksum %s, NumPy has %s", name, got, want[name])
		}
	}
}

// slowF16 is the definition of binary16 in float64 arithmetic.
func slowF16(h uint16) float64 {
	exp, frac := int(h>>10&31), float64(h&0x3ff)
	v := math.Ldexp(1024+frac, exp-25)
	switch exp {
	case 0:
		v = math.Ldexp(frac, -24)
	case 31:
		v = math.Inf(1)
		if frac != 0 {
			v = math.NaN()
		}
	}
	if h>>15 == 1 {
		v = -v
	}
	return v
}

// TestF16Definition holds the conversion to the definition, NaNs to their
// promise, and the way back to giving the same bits.
func TestF16Definition(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := F16ToF32(h)
		bits := math.Float32bits(f)
		if h&0x7c00 == 0x7c00 && h&0x3ff != 0 {
			if want := uint32(h&0x8000)<<16 | 0x7fc00000 | uint32(h&0x3ff)<<13; bits != want {
				t.Fatalf("F16ToF32(%#04x) = %#08x, want the quiet NaN %#08x", h, bits, want)
			}
			if got := F32ToF16(f); got != h|0x200 {
				t.Fatalf("F32ToF16(F16ToF32(%#04x)) = %#04x, want %#04x", h, got, h|0x200)
			}
			continue
		}
		if want := slowF16(h); float64(f) != want || math.Signbit(float64(f)) != math.Signbit(want) {
			t.Fatalf("F16ToF32(%#04x) = %g, want %g", h, f, want)
		}
		if got := F32ToF16(f); got != h {
			t.Fatalf("F32ToF16(%g) = %#04x, want %#04x", f, got, h)
		}
	}
	// A NaN whose payload lies in the lost bits must not become infinite.
	for _, bits := range []uint32{0x7f800001, 0xff800001, 0x7f801fff} {
		if got, want := F32ToF16(math.Float32frombits(bits)), uint16(bits>>16&0x8000|0x7e00); got != want {
			t.Errorf("F32ToF16(%#08x) = %#04x, want %#04x", bits, got, want)
		}
		if got, want := F32ToBF16(math.Float32frombits(bits)), uint16(bits>>16|0x40); got != want {
			t.Errorf("F32ToBF16(%#08x) = %#04x, want %#04x", bits, got, want)
		}
	}
}
