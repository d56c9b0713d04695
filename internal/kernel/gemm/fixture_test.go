package gemm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/tensor"
)

var (
	floats  = []tensor.DType{tensor.F32, tensor.F16, tensor.BF16}
	blocks  = []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K}
	readAll = slices.Concat(floats, blocks)
)

// bytesFor returns random bytes for a matrix. Bytes of blocks are valid whatever
// they are, NaN and infinite scales included; awkward is the share of such.
func bytesFor(d tensor.DType, rows, cols int, r *rand.Rand, awkward float64) []byte {
	stride, err := d.RowBytes(cols)
	if err != nil {
		panic(err)
	}
	b := make([]byte, rows*stride)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	_, size := d.Block()
	scale := func(at int) {
		h := tensor.F32ToF16(r.Float32()*0.2 - 0.1)
		if r.Float64() < awkward {
			h = uint16(r.Uint32())
		}
		b[at], b[at+1] = byte(h), byte(h>>8)
	}
	for at := 0; at < len(b); at += size {
		switch d {
		case tensor.F32:
			var f [1]float32
			kerneltest.Awkward(f[:], r.Uint64, awkward)
			u := math.Float32bits(f[0])
			b[at], b[at+1], b[at+2], b[at+3] = byte(u), byte(u>>8), byte(u>>16), byte(u>>24)
		case tensor.BF16:
			h := tensor.F32ToBF16(r.Float32()*2 - 1)
			if r.Float64() < awkward {
				h = uint16(r.Uint32())
			}
			b[at], b[at+1] = byte(h), byte(h>>8)
		case tensor.Q4_1, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K:
			scale(at)
			scale(at + 2)
		case tensor.Q6_K:
			scale(at + size - 2)
		default:
			scale(at)
		}
	}
	return b
}

func storage(t testing.TB, d tensor.DType, rows, cols int) *tensor.Storage {
	return storageOf(t, d, rows, cols, bytesFor(d, rows, cols, rand.New(rand.NewPCG(uint64(rows), uint64(cols))), 0))
}

func storageOf(t testing.TB, d tensor.DType, rows, cols int, b []byte) *tensor.Storage {
	t.Helper()
	w, err := tensor.NewStorage(d, rows, cols, b)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func awkward(n int, r *rand.Rand, share float64) []float32 {
	s := make([]float32, n)
	kerneltest.Awkward(s, r.Uint64, share)
	return s
}

func halves(f []float32) []uint16 {
	h := make([]uint16, len(f))
	for i, x := range f {
		h[i] = tensor.F32ToF16(x)
	}
	return h
}

// widths returns column counts that a dtype can have.
func widths(d tensor.DType) []int {
	if elems, _ := d.Block(); elems > 32 {
		return []int{elems, 2 * elems, 5 * elems}
	} else if elems > 1 {
		return []int{elems, 2 * elems, 3 * elems, 4 * elems, 5 * elems, 9 * elems} // with and without a part of a segment
	}
	return []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 39, 47, 63, 64, 65, 71, 94, 100, 127, 128, 129, 140, 256, 300}
}
