package qgemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

// BenchmarkMulT reports GOP/s, and GB/s of weights, of matrices that stay in the
// cache.
func BenchmarkMulT(b *testing.B) {
	for _, dt := range dtypes {
		for _, m := range []int{1, 8, 9, 16, 32, 512} {
			b.Run(fmt.Sprintf("%v/1536x768/rows=%d", dt, m), func(b *testing.B) { benchMulT(b, dt, 1536, 768, m, 1) })
		}
	}
	for _, s := range [][2]int{{576, 1536}, {192, 768}} {
		for _, m := range []int{1, 512} {
			b.Run(fmt.Sprintf("Q4_1/%dx%d/rows=%d", s[0], s[1], m), func(b *testing.B) { benchMulT(b, tensor.Q4_1, s[0], s[1], m, 1) })
		}
	}
}

// BenchmarkFromMemory is the same with so many matrices in turn that each comes
// from memory, as those of a model do in decoding.
func BenchmarkFromMemory(b *testing.B) {
	for _, dt := range dtypes {
		for _, m := range []int{1, 2, 4, 8, 16} {
			b.Run(fmt.Sprintf("%v/1536x768/rows=%d", dt, m), func(b *testing.B) { benchMulT(b, dt, 1536, 768, m, 120) })
		}
	}
}

func benchMulT(b *testing.B, dt tensor.DType, n, k, m, matrices int) {
	all := randomWeights(rand.New(rand.NewPCG(1, 2)), dt, matrices*n, k)
	w := make([]*tensor.Storage, matrices)
	size := len(all.Bytes()) / matrices
	for i := range w {
		var err error
		if w[i], err = tensor.NewStorage(dt, n, k, all.Bytes()[i*size:(i+1)*size]); err != nil {
			b.Fatal(err)
		}
	}
	var a Acts
	x := make([]float32, m*k)
	for i := range x {
		x[i] = rand.Float32() - 0.5
	}
	a.quantize(cpu.Kernels(), nil, x, m, k)
	out := make([]float32, m*n)
	for b.Loop() {
		for _, w := range w {
			MulT(nil, out, m, n, &a, w)
		}
	}
	s := b.Elapsed().Seconds() / float64(b.N*matrices)
	b.ReportMetric(2*float64(m)*float64(n)*float64(k)/s/1e9, "GOP/s")
	b.ReportMetric(float64(size)/s/1e9, "GB/s")
}

func BenchmarkQuantize(b *testing.B) {
	for _, m := range []int{1, 512} {
		b.Run(fmt.Sprintf("576/rows=%d", m), func(b *testing.B) {
			var a Acts
			x := make([]float32, m*576)
			for i := range x {
				x[i] = rand.Float32() - 0.5
			}
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				a.Quantize(nil, x, m, 576)
			}
		})
	}
}

// randomWeights makes blocks of random quants and scales near 1/16.
func randomWeights(r *rand.Rand, dt tensor.DType, n, k int) *tensor.Storage {
	rowBytes, err := dt.RowBytes(k)
	if err != nil {
		panic(err)
	}
	b := make([]byte, n*rowBytes)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	var halves []int // where a block has binary16
	switch dt {
	case tensor.Q6_K:
		halves = []int{208}
	case tensor.Q4_1, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K:
		halves = []int{0, 2}
	default:
		halves = []int{0}
	}
	_, size := dt.Block()
	for i := 0; i < len(b); i += size {
		for _, off := range halves {
			b[i+off+1] = b[i+off+1]&0x83 | 0x28 // exponent 2^-5 to 2^-4
		}
	}
	w, err := tensor.NewStorage(dt, n, k, b)
	if err != nil {
		panic(err)
	}
	return w
}
