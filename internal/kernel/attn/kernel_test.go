package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
)

// The tests of each assembly function, by name; kerneltest checks that none is
// missing.
var (
	twinTests = map[string]func(*testing.T){
		"softmax*": testSoftmaxTwin,
		"probs*":   testProbsTwin,
		"dscores*": testDscoresTwin,
		"toHalf*":  testToHalfTwin,
		"narrow*":  testNarrowTwin,
		"widen*":   testWidenTwin,
		"shift*":   testShiftTwin,
	}
	guardTests = map[string]func(*testing.T){
		"softmax*": testSoftmaxGuard,
		"probs*":   testProbsGuard,
		"dscores*": testDscoresGuard,
		"toHalf*":  testToHalfGuard,
		"narrow*":  testNarrowGuard,
		"widen*":   testWidenGuard,
		"shift*":   testShiftGuard,
	}
)

func TestTwin(t *testing.T)  { runTable(t, twinTests) }
func TestGuard(t *testing.T) { runTable(t, guardTests) }

func runTable(t *testing.T, table map[string]func(*testing.T)) {
	for name, f := range table {
		t.Run(name, f)
	}
}

func awkward(n int, r *rand.Rand, share float64) []float32 {
	s := make([]float32, n)
	kerneltest.Awkward(s, r.Uint64, share)
	return s
}

// bounds are (from, to) of a row in a block.
var bounds = [][2]int{{0, 64}, {0, 1}, {0, 16}, {0, 17}, {5, 6}, {0, 63}, {63, 64}, {15, 49}, {16, 64}, {3, 40}}

var shares = []float64{0, 0.02, 0.3, 1}

func testSoftmaxTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	inf := float32(math.Inf(-1))
	olds := []float32{inf, 0, float32(math.Copysign(0, -1)), 0.3, -200, 1e30, float32(math.Inf(1))}
	for trial := range 600 {
		rows, dim := 1+r.IntN(rowTile), []int{0, 16, 64, 80}[trial%4]
		share, scale := shares[r.IntN(len(shares))], []float32{0.125, 30, -1}[trial%3]
		s, acc, stat := awkward(rows*Block, r, share), awkward(rows*dim, r, share), make([]float32, 2*rows)
		masks := make([]uint64, rows)
		for i := range rows {
			stat[2*i], stat[2*i+1] = olds[r.IntN(len(olds))], r.Float32()*10
			if b := bounds[r.IntN(len(bounds))]; r.IntN(10) > 0 { // or nothing at all
				masks[i] = mask(b[0], b[1])
			}
		}
		wantS, wantAcc, wantStat := slices.Clone(s), slices.Clone(acc), slices.Clone(stat)
		softmaxGo(wantS, masks, scale, wantStat, wantAcc)
		for _, tier := range cpu.Tiers() {
			gotS, gotAcc, gotStat := slices.Clone(s), slices.Clone(acc), slices.Clone(stat)
			softmax(tier, gotS, masks, scale, gotStat, make([]float32, 32), gotAcc)
			what := fmt.Sprintf("%v, masks %x, share %v, scale %v, m and l %v: ", tier, masks, share, scale, stat)
			kerneltest.CheckBits(t, what+"stat", gotStat, wantStat)
			kerneltest.CheckBits(t, what+"p", gotS, wantS)
			kerneltest.CheckBits(t, what+"acc", gotAcc, wantAcc)
		}
	}
	// All scores zero of either sign: the maximum is +0.
	s := make([]float32, Block)
	for i := range s {
		s[i] = float32(math.Copysign(0, float64(i%2)-1))
	}
	for _, tier := range cpu.Tiers() {
		stat := []float32{float32(math.Copysign(0, -1)), 1}
		softmax(tier, slices.Clone(s), []uint64{mask(0, Block)}, 1, stat, make([]float32, 16), nil)
		kerneltest.CheckBits(t, tier.String()+" zeros", stat, []float32{0, 65})
	}
}

func testProbsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, b := range bounds {
		for _, share := range shares {
			for _, add := range []bool{false, true} {
				for range 20 {
					s, dst := awkward(Block, r, share), awkward(b[1], r, share)
					m, l := r.Float32()*4, 1+r.Float32()*9
					want := slices.Clone(dst)
					probsGo(want, s, mask(b[0], b[1]), 0.7, m, l, add)
					for _, tier := range cpu.Tiers() {
						got := slices.Clone(dst)
						probs(tier, got, s, mask(b[0], b[1]), 0.7, m, l, add)
						kerneltest.CheckBits(t, fmt.Sprintf("%v entries %v share %v add %v", tier, b, share, add), got, want)
					}
				}
			}
		}
	}
}

func testDscoresTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, b := range append(bounds, [2]int{0, 0}) {
		for _, share := range shares {
			for range 20 {
				ds, p := awkward(Block, r, share), awkward(Block, r, share)
				d, scale := r.Float32(), r.Float32()
				want := slices.Clone(ds)
				dscoresGo(want, p, mask(b[0], b[1]), d, scale)
				for _, tier := range cpu.Tiers() {
					got := slices.Clone(ds)
					dscores(tier, got, p, mask(b[0], b[1]), d, scale)
					kerneltest.CheckBits(t, fmt.Sprintf("%v entries %v share %v", tier, b, share), got, want)
				}
			}
		}
	}
}

func testToHalfTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for n := range 70 {
		for range 50 {
			src := make([]float32, n)
			for i := range src {
				src[i] = math.Float32frombits(r.Uint32()&^0x78000000 | 0x30000000 + r.Uint32N(1<<28)) // around float16's range
				if r.IntN(4) == 0 {
					src[i] = math.Float32frombits(r.Uint32())
				}
			}
			want := make([]uint16, n)
			toHalfGo(want, src)
			for _, tier := range cpu.Tiers() {
				got := make([]uint16, n)
				toHalf(tier, got, src)
				if !slices.Equal(got, want) {
					t.Fatalf("%v: %x of %v, want %x", tier, got, src, want)
				}
			}
		}
	}
}

func testSoftmaxGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for _, rows := range []int{1, 15, 16, 17, rowTile} {
			s := kerneltest.GuardedOf[float32](t, rows*Block, edge)
			stat, masks := kerneltest.GuardedOf[float32](t, 2*rows, edge), kerneltest.GuardedOf[uint64](t, rows, edge)
			corr := kerneltest.GuardedOf[float32](t, (rows+15)&^15, edge)
			for _, dim := range []int{0, 16, 64, 256} {
				acc := kerneltest.GuardedOf[float32](t, rows*dim, edge)
				for _, tier := range cpu.Tiers() {
					for i := range masks {
						masks[i] = mask(0, 40+24*(i%2))
						stat[2*i] = -1 // so that acc is scaled
					}
					softmax(tier, s, masks, 1, stat, corr, acc)
				}
			}
		}
	}
}

func testProbsGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		s := kerneltest.GuardedOf[float32](t, Block, edge)
		for to := range Block + 1 {
			dst := kerneltest.GuardedOf[float32](t, to, edge)
			for _, tier := range cpu.Tiers() {
				probs(tier, dst, s, mask(0, to), 1, 0, 1, false)
				probs(tier, dst, s, mask(to/2, to), 1, 0, 1, true)
			}
		}
	}
}

func testDscoresGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		ds, p := kerneltest.GuardedOf[float32](t, Block, edge), kerneltest.GuardedOf[float32](t, Block, edge)
		for _, tier := range cpu.Tiers() {
			dscores(tier, ds, p, mask(0, 40), 1, 1)
		}
	}
}

func testToHalfGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for n := range 70 {
			dst, src := kerneltest.GuardedOf[uint16](t, n, edge), kerneltest.GuardedOf[float32](t, n, edge)
			for _, tier := range cpu.Tiers() {
				toHalf(tier, dst, src)
			}
		}
	}
}
