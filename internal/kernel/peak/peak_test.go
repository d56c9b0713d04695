package peak

import (
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
)

var (
	twinTests  = map[string]func(*testing.T, cpu.Tier){"fma*": fmaAdds, "dot*": dotAdds, "read*": readAdds}
	guardTests = map[string]func(*testing.T, cpu.Tier){"fma*": fmaGuard, "dot*": dotGuard, "read*": readGuard}
)

func TestTwins(t *testing.T)      { each(t, twinTests) }
func TestGuardPages(t *testing.T) { each(t, guardTests) }

func each(t *testing.T, tests map[string]func(*testing.T, cpu.Tier)) {
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		for name, f := range tests {
			t.Run(name, func(t *testing.T) { f(t, tier) })
		}
	})
}

// fmaAdds: n times 1.5*1.5, exact in float32.
func fmaAdds(t *testing.T, at cpu.Tier) {
	const n = 64 * 5
	dst := make([]float32, accumulators)
	ops := tier(at).fma(dst, []float32{1.5}, n)
	adds, filled := 0, 0
	for _, d := range dst {
		if d != 0 {
			filled++
			adds += int(d / 2.25)
		}
	}
	if filled == 0 || 2*adds != ops {
		t.Errorf("%d multiply-adds arrived in %d numbers, but %d operations are counted", adds, filled, ops)
	}
}

func dotAdds(t *testing.T, at cpu.Tier) {
	const n = 64 * 5
	dst := make([]int32, accumulators)
	ops := tier(at).dot(dst, []int32{0x01010101}, n)
	products := 0
	for _, d := range dst { // of one 32-bit or two 16-bit sums
		if at == cpu.AVX2 {
			products += int(d&0xffff) + int(d>>16)
		} else {
			products += int(d)
		}
	}
	if products == 0 || 2*products != ops {
		t.Errorf("%d products arrived, but %d operations are counted", products, ops)
	}
}

func readAdds(t *testing.T, at cpu.Tier) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 31, 32, 1024, 1030} {
		x := make([]uint64, n)
		want := uint64(0)
		for i := range x {
			x[i] = r.Uint64()
		}
		dst := make([]uint64, readLanes)
		read := tier(at).read(dst, x) / 8
		for _, v := range x[:read] {
			want += v
		}
		got := uint64(0)
		for _, v := range dst {
			got += v
		}
		if got != want || read > n || n-read >= readLanes {
			t.Errorf("%d of %d quadwords add up to %#x, want %#x", read, n, got, want)
		}
	}
}

func fmaGuard(t *testing.T, at cpu.Tier) {
	for _, e := range kerneltest.Edges {
		tier(at).fma(kerneltest.GuardedOf[float32](t, accumulators, e), kerneltest.GuardedOf[float32](t, 1, e), 64)
	}
}

func dotGuard(t *testing.T, at cpu.Tier) {
	for _, e := range kerneltest.Edges {
		tier(at).dot(kerneltest.GuardedOf[int32](t, accumulators, e), kerneltest.GuardedOf[int32](t, 1, e), 64)
	}
}

func readGuard(t *testing.T, at cpu.Tier) {
	for _, e := range kerneltest.Edges {
		for n := range 100 {
			tier(at).read(kerneltest.GuardedOf[uint64](t, readLanes, e), kerneltest.GuardedOf[uint64](t, n, e))
		}
	}
}

func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("a quarter of a second")
	}
	p := par.New(2)
	defer p.Close()
	l := Measure(p)
	t.Logf("%.0f GFLOP/s, %.0f GOP/s, %.1f GB/s", l.Flops/1e9, l.ByteOps/1e9, l.Read/1e9)
	if l.Flops < 1e6 || l.ByteOps < 1e6 || l.Read < 1e6 {
		t.Errorf("%+v is no machine", l)
	}
}
