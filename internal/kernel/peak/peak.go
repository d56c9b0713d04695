// Package peak measures what this machine can do at most: multiply-adds,
// products of bytes, and reading. Profiles set speeds beside it.
//
// The kernels do nothing useful and hide nothing: multiply-adds from registers to
// registers, and reading in one linear run. There is no ladder to climb; an
// instruction a slot is the limit that is measured. One core of an AMD EPYC 9004
// gives 117 GFLOP/s, 410 GOP/s and 24 GB/s.
package peak

//go:generate go run -C ../_asm ./peak -out ../peak/peak_amd64.s -stubs ../peak/stubs_amd64.go -pkg peak

import (
	"time"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/par"
)

// Limits are rates per second, of all workers of a pool together.
type Limits struct {
	Flops   float64 // float32 multiplications and additions
	ByteOps float64 // multiplications and additions of 8-bit products
	Read    float64 // bytes from memory
}

// Least returns the seconds that arithmetic, in float32 and in 8 bits, or
// reading takes at the limits, the longer of the two, and which one that is:
// "arithmetic" or "memory".
func (l Limits) Least(flops, byteOps, bytes int64) (seconds float64, bound string) {
	arithmetic, reading := float64(flops)/l.Flops+float64(byteOps)/l.ByteOps, float64(bytes)/l.Read
	if arithmetic > reading {
		return arithmetic, "arithmetic"
	}
	return reading, "memory"
}

// The shapes of the kernels' work.
const (
	accumulators = 16 * 16 // numbers of fma and dot, at most
	readLanes    = 4 * 8   // quadwords of a turn of read, at most
)

// kernels are one tier's. They return how many operations, or bytes, they did.
type kernels struct {
	fma  func(dst, x []float32, n int) int
	dot  func(dst, x []int32, n int) int
	read func(dst, x []uint64) int
}

// Measure takes the limits with the kernels in force, the best of some short
// runs on every worker of p. It takes about a quarter of a second and 128 MiB of
// memory for each worker.
func Measure(p *par.Pool) Limits {
	k := tier(cpu.Kernels())
	t := &task{buffers: make([][]uint64, p.Workers())}
	for w := range t.buffers {
		t.buffers[w] = make([]uint64, 16<<20) // beyond any cache
		for i := range t.buffers[w] {
			t.buffers[w][i] = uint64(i) // pages of zeros are one page
		}
	}
	var l Limits
	t.run = func([]uint64) int { return k.fma(make([]float32, accumulators), []float32{1}, 1<<18) }
	l.Flops = t.best(p)
	t.run = func([]uint64) int { return k.dot(make([]int32, accumulators), []int32{0x01010101}, 1<<18) }
	l.ByteOps = t.best(p)
	t.run = func(x []uint64) int { return k.read(make([]uint64, readLanes), x) }
	l.Read = t.best(p)
	return l
}

// task runs the same on every worker.
type task struct {
	buffers [][]uint64
	run     func([]uint64) int
	done    []int
}

// Do runs iteration lo on its own buffer, whoever the worker.
func (t *task) Do(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		t.done[i] = t.run(t.buffers[i])
	}
}

func (t *task) best(p *par.Pool) float64 {
	best := 0.0
	for range 5 {
		t.done = make([]int, len(t.buffers))
		start := time.Now()
		p.For(len(t.buffers), 1, t)
		sum := 0
		for _, d := range t.done {
			sum += d
		}
		best = max(best, float64(sum)/time.Since(start).Seconds())
	}
	return best
}
