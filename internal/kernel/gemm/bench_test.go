package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/tensor"
)

// Rates on one thread: gflop/s for products, GB/s of stored weights for one row.

func BenchmarkTile(b *testing.B) {
	for _, t := range cpu.Tiers() {
		for _, s := range [][3]int{{6, 64, 576}, {6, 64, 64}, {1, 64, 64}, {8, 64, 64}} {
			m, n, k := s[0], s[1], s[2]
			b.Run(fmt.Sprintf("%dx%dx%d/%v", m, n, k, t), func(b *testing.B) {
				a, p, c := random(m*k), random(k*n), random(m*n)
				for b.Loop() {
					Tile(t, m, n, k, a, k, 1, p, n, c, n, true)
				}
				flops(b, m, n, k)
			})
		}
	}
}

func BenchmarkMulT(b *testing.B) {
	for _, t := range cpu.Tiers() {
		for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0, tensor.Q4_1} {
			for _, s := range [][3]int{{512, 576, 1536}, {512, 1536, 576}, {16, 576, 1536}, {4, 576, 1536}, {1, 576, 49152}, {1, 1536, 576}} {
				m, k, n := s[0], s[1], s[2]
				if t == cpu.Go && m*k*n > 1<<25 {
					continue
				}
				b.Run(fmt.Sprintf("%v/%dx%dx%d/%v", d, m, k, n, t), func(b *testing.B) {
					w := storage(b, d, n, k)
					a, c := random(m*k), random(m*n)
					var s Scratch
					g := product{kind: mulT, tier: t, c: c, a: a, w: w, m: m, n: n, k: k}
					for b.Loop() {
						s.run(nil, g)
					}
					flops(b, m, n, k)
					b.ReportMetric(float64(len(w.Bytes()))*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
				})
			}
		}
	}
}

func BenchmarkMul(b *testing.B) {
	const m, k, n = 512, 576, 1536
	for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0, tensor.Q4_1} {
		b.Run(d.String(), func(b *testing.B) {
			w := storage(b, d, k, n)
			a, c := random(m*k), random(m*n)
			var s Scratch
			for b.Loop() {
				Mul(nil, &s, c, m, n, k, a, w, false)
			}
			flops(b, m, n, k)
		})
	}
}

func BenchmarkMulAT(b *testing.B) {
	for _, s := range [][3]int{{1536, 576, 512}, {1024, 576, 512}} {
		m, n, k := s[0], s[1], s[2]
		b.Run(fmt.Sprintf("%dx%dx%d", m, k, n), func(b *testing.B) {
			x, a, c := random(n*k), random(m*k), random(m*n)
			var s Scratch
			for b.Loop() {
				MulAT(nil, &s, c, m, n, k, a, x, false)
			}
			flops(b, m, n, k)
		})
	}
}

func flops(b *testing.B, m, n, k int) {
	b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "gflop/s")
}

func random(n int) []float32 {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	s := make([]float32, n)
	for i := range s {
		s[i] = r.Float32()*2 - 1
	}
	return s
}
