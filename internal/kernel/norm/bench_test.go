package norm

import (
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
)

// Benchmark takes 64 rows of 576 numbers, and a small image's 1,024 pixels of 32
// channels.
func Benchmark(b *testing.B) {
	const rows, n = 64, 576
	r := rand.New(rand.NewPCG(1, 1))
	x, dy, dst := normal(r, rows*n, 1, 0), normal(r, rows*n, 1, 0), make([]float32, rows*n)
	w, dw, db := normal(r, n, 1, 0), make([]float32, n), make([]float32, n)
	const pixels, c = 1024, 32
	batch := Cells{Rows: pixels, Width: c, Groups: c}
	mean, variance := make([]float32, c), make([]float32, c)
	stats := make([]float32, 2*rows)
	var s Scratch
	for _, tr := range cpu.Tiers() {
		for _, f := range []struct {
			name string
			run  func()
		}{
			{"RMS", func() { rms(tr, nil, &s, dst, x, w, 1e-5) }},
			{"RMSBackward", func() { rmsBackward(tr, nil, &s, dst, dw, dy, x, w, 1e-5) }},
			{"Layer", func() { layer(tr, nil, &s, dst, x, w, w, stats, 1e-5) }},
			{"LayerBackward", func() { layerBackward(tr, nil, &s, dst, dw, db, dy, x, w, stats, false) }},
			{"SumRows", func() { sumRows(tr, nil, &s, dw, x) }},
			{"Batch", func() {
				moments(tr, nil, &s, mean, variance, x[:pixels*c], batch)
				standard(tr, nil, &s, dst[:pixels*c], x[:pixels*c], mean, variance, w[:c], w[:c], batch, 1e-5)
			}},
			{"BatchBackward", func() {
				standardBackward(tr, nil, &s, dst[:pixels*c], dw[:c], db[:c], dy[:pixels*c], x[:pixels*c], mean, variance, w[:c], batch, 1e-5, false, false)
			}},
		} {
			b.Run(f.name+"/"+tr.String(), func(b *testing.B) {
				b.SetBytes(4 * int64(len(x)))
				for b.Loop() {
					f.run()
				}
			})
		}
	}
}
