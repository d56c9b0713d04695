package gemm

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/tensor"
)

// Rates on as many threads as -cpu says: gflop/s for products, and GB/s of stored
// weights. Names end in the tier.

func BenchmarkTile(b *testing.B) {
	for _, s := range [][3]int{{6, 64, 576}, {6, 64, 64}, {1, 64, 64}, {8, 64, 64}} {
		m, n, k := s[0], s[1], s[2]
		for _, t := range cpu.Tiers() {
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

// The shape classes: m, k, n of c[m,n] summed over k.
var (
	square = [][3]int{{1024, 1024, 1024}, {512, 576, 1536}}
	uneven = [][3]int{{4096, 64, 64}, {64, 4096, 64}, {64, 64, 4096}, {512, 1536, 576}}
	rows   = [][3]int{{1, 576, 1536}, {2, 576, 1536}, {4, 576, 1536}, {8, 576, 1536}, {16, 576, 1536}}
	vocab  = [][3]int{{1, 576, 49152}, {8, 576, 49152}}
)

func BenchmarkMulT(b *testing.B) {
	for _, d := range readAll {
		elems, _ := d.Block()
		sets := [][][3]int{rows, vocab, square}
		if d == tensor.F32 {
			sets = append(sets, uneven)
		}
		for _, set := range sets {
			for _, s := range set {
				s[1] = (s[1] + elems - 1) / elems * elems
				bench(b, mulT, d, s)
			}
		}
	}
}

func BenchmarkMul(b *testing.B) {
	for _, d := range readAll {
		elems, _ := d.Block()
		sets := [][][3]int{square}
		if d == tensor.F32 {
			sets = append(sets, uneven)
		}
		for _, set := range sets {
			for _, s := range set {
				s[2] = (s[2] + elems - 1) / elems * elems
				bench(b, mul, d, s)
			}
		}
	}
}

func BenchmarkMulAT(b *testing.B) {
	for _, set := range [][][3]int{square, uneven} {
		for _, s := range set {
			bench(b, mulAT, tensor.F32, s)
		}
	}
}

func bench(b *testing.B, kind kind, d tensor.DType, s [3]int) {
	m, k, n := s[0], s[1], s[2]
	for _, t := range cpu.Tiers() {
		if t == cpu.Go && m*k*n > 1<<25 {
			continue
		}
		b.Run(fmt.Sprintf("%v/%dx%dx%d/%v", d, m, k, n, t), func(b *testing.B) {
			p := par.New(runtime.GOMAXPROCS(0))
			defer p.Close()
			g := job(b, rand.New(rand.NewPCG(1, 1)), kind, d, m, n, k, false, 0)
			g.tier = t
			var s Scratch
			s.run(p, g)
			for b.Loop() {
				s.run(p, g)
			}
			flops(b, m, n, k)
			if g.w != nil {
				b.ReportMetric(float64(len(g.w.Bytes()))*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
			}
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
