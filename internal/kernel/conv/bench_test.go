package conv

import (
	"fmt"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// The shapes that are compared with PyTorch: 64 x 64 pixels of 32 channels.
func BenchmarkConv(b *testing.B) {
	for _, bc := range []struct {
		name           string
		n, kernel      int
		in, out, group int
		side, stride   int
	}{
		{"3x3/1", 1, 3, 32, 32, 1, 64, 1},
		{"3x3/8", 8, 3, 32, 32, 1, 64, 1},
		{"1x1/1", 1, 1, 32, 32, 1, 64, 1},
		{"1x1/8", 8, 1, 32, 32, 1, 64, 1},
		{"depthwise/1", 1, 3, 32, 32, 32, 64, 1},
		{"depthwise/8", 8, 3, 32, 32, 32, 64, 1},
		{"first/128", 128, 3, 1, 32, 1, 28, 1},
		{"strided/8", 8, 3, 32, 64, 1, 64, 2},
		{"deep/8", 8, 3, 256, 256, 1, 7, 1},
	} {
		s := &Shape{N: bc.n, H: bc.side, W: bc.side, In: bc.in, Out: bc.out, Groups: bc.group, KH: bc.kernel, KW: bc.kernel, StrideH: bc.stride, StrideW: bc.stride, DilationH: 1, DilationW: 1}
		s.Top, s.Left, s.Bottom, s.Right = bc.kernel/2, bc.kernel/2, bc.kernel/2, bc.kernel/2
		if err := s.Complete(); err != nil {
			b.Fatal(err)
		}
		nx, ny, nw := s.sizes()
		x, y, w, dx, dw := make([]float32, nx), make([]float32, ny), make([]float32, nw), make([]float32, nx), make([]float32, nw)
		var sc Scratch
		for _, threads := range []int{1, 2} {
			p := par.New(threads)
			for _, step := range []struct {
				name  string
				flops int
				run   func()
			}{
				{"forward", 2, func() { forward(cpu.Kernels(), p, &sc, s, y, x, w, false) }},
				{"dx", 2, func() { adjoint(cpu.Kernels(), p, &sc, s, dx, y, w, true) }},
				{"dw", 2, func() { weightGradient(cpu.Kernels(), p, &sc, s, dw, y, x) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/t%d", bc.name, step.name, threads), func(b *testing.B) {
					for b.Loop() {
						step.run()
					}
					b.ReportMetric(float64(step.flops*ny*s.Terms())*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
			p.Close()
		}
	}
}
