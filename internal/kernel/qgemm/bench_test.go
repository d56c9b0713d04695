package qgemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

// BenchmarkMulT reports GOP/s, and GB/s of weights. The matrices of the one-row
// cases are larger than the third-level cache, so that they come from memory as
// in decoding.
func BenchmarkMulT(b *testing.B) {
	for _, c := range []struct {
		dt   tensor.DType
		n, k int
		rows []int
	}{
		{tensor.Q4_1, 262144, 576, []int{1, 2, 4, 8}},
		{tensor.Q4_0, 262144, 576, []int{1, 2, 4, 8}},
		{tensor.Q8_0, 196608, 576, []int{1, 2, 4, 8}},
		{tensor.Q4_1, 1536, 576, []int{1, 8, 9, 16, 32, 512}},
		{tensor.Q4_1, 576, 1536, []int{1, 512}},
		{tensor.Q4_1, 192, 576, []int{512}},
		{tensor.Q4_0, 1536, 576, []int{512}},
		{tensor.Q8_0, 1536, 576, []int{512}},
	} {
		w := randomWeights(rand.New(rand.NewPCG(1, 2)), c.dt, c.n, c.k)
		for _, m := range c.rows {
			b.Run(fmt.Sprintf("%v/%dx%d/rows=%d", c.dt, c.n, c.k, m), func(b *testing.B) {
				var a Acts
				x := make([]float32, m*c.k)
				for i := range x {
					x[i] = rand.Float32() - 0.5
				}
				a.quantize(cpu.Kernels(), nil, x, m, c.k)
				out := make([]float32, m*c.n)
				for b.Loop() {
					MulT(nil, out, m, c.n, &a, w)
				}
				s := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(2*float64(m)*float64(c.n)*float64(c.k)/s/1e9, "GOP/s")
				b.ReportMetric(float64(len(w.Bytes()))/s/1e9, "GB/s")
			})
		}
	}
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
	_, size := dt.Block()
	b := make([]byte, n*rowBytes)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	for i := 0; i < len(b); i += size {
		b[i+1] = b[i+1]&0x83 | 0x28 // exponent of the scale: 2^-5 to 2^-4
		if dt == tensor.Q4_1 {
			b[i+3] = b[i+3]&0x83 | 0x28
		}
	}
	w, err := tensor.NewStorage(dt, n, k, b)
	if err != nil {
		panic(err)
	}
	return w
}
