package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/tensor"
)

func testNarrowTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for trial := range 3000 {
		x := (*[Group]float32)(awkward(Group, r, shares[trial%len(shares)]))
		scale := float32(math.Exp2(float64(r.IntN(300) - 170))) // down to nothing and up beyond float16
		for i := range x {
			if trial%2 == 0 {
				x[i] = float32(r.NormFloat64()) * scale
			}
		}
		if trial%7 == 0 { // ties
			x[0] = 127
			for i := range x[1:] {
				x[1+i] = float32(r.IntN(253)-126) + 0.5
			}
		}
		var want [Group]int8
		d := narrowGo(&want, x)
		for _, tier := range cpu.Tiers() {
			var got [Group]int8
			if g := narrow(tier, &got, x); g != d || got != want {
				t.Fatalf("%v of %v: scale %x and %v, want %x and %v", tier, x, g, got, d, want)
			}
		}
	}
}

func testNarrowGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		q, x := kerneltest.GuardedOf[int8](t, Group, edge), kerneltest.GuardedOf[float32](t, Group, edge)
		for _, tier := range cpu.Tiers() {
			x[3] = 1
			narrow(tier, (*[Group]int8)(q), (*[Group]float32)(x))
			x[3] = float32(math.NaN())
			narrow(tier, (*[Group]int8)(q), (*[Group]float32)(x))
		}
	}
}

// bytes8 are numbers and scales of a panel or of values, of every bit pattern.
func bytes8(r *rand.Rand, q []int8, d []uint16) {
	for i := range q {
		q[i] = int8(r.Uint32())
	}
	for i := range d {
		d[i] = uint16(r.Uint32())
	}
}

func testWidenTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 2))
	for _, dim := range []int{1, 2, 20, 31, 32, 33, 64, 80, 100, 300} {
		q, d := make([]int8, dim*Block), make([]uint16, groups(dim)*Block)
		bytes8(r, q, d)
		want := make([]float32, dim*Block)
		widenKeysGo(want, q, d, dim)
		for _, tier := range cpu.Tiers() {
			got := make([]float32, dim*Block)
			widenKeys(tier, got, q, d, dim)
			kerneltest.CheckBits(t, fmt.Sprintf("%v keys of %d", tier, dim), got, want)
		}
		stride := (dim + 15) &^ 15
		for _, n := range []int{1, 2, 63, 64} {
			q, d := make([]int8, n*stride), make([]uint16, n*groups(stride))
			bytes8(r, q, d)
			want := make([]float32, n*stride)
			widenValuesGo(want, q, d, n, stride)
			for _, tier := range cpu.Tiers() {
				got := make([]float32, n*stride)
				widenValues(tier, got, q, d, n, stride)
				kerneltest.CheckBits(t, fmt.Sprintf("%v values of %d rows of %d", tier, n, stride), got, want)
			}
		}
	}
}

func testWidenGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		for _, dim := range []int{1, 33, 48, 64} {
			dst, q := kerneltest.GuardedOf[float32](t, dim*Block, edge), kerneltest.GuardedOf[int8](t, dim*Block, edge)
			d := kerneltest.GuardedOf[uint16](t, groups(dim)*Block, edge)
			stride := (dim + 15) &^ 15
			rows := kerneltest.GuardedOf[float32](t, 3*stride, edge)
			v, vd := kerneltest.GuardedOf[int8](t, 3*stride, edge), kerneltest.GuardedOf[uint16](t, 3*groups(stride), edge)
			for _, tier := range cpu.Tiers() {
				widenKeys(tier, dst, q, d, dim)
				widenValues(tier, rows, v, vd, 3, stride)
			}
		}
	}
}

func testShiftTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 3))
	for _, rows := range []int{1, 2, 20, 64} {
		for first := range Block {
			for _, last := range []bool{false, true} {
				q, nq := make([]int8, rows*Block), make([]int8, rows*Block)
				d, nd := make([]uint16, rows*Block), make([]uint16, rows*Block)
				bytes8(r, q, d)
				bytes8(r, nq, nd)
				if last {
					nq, nd = nil, nil
				}
				wantQ, wantD := slices.Clone(q), slices.Clone(d)
				shiftGo(cpu.Go, wantQ, nq, rows, first)
				shiftGo(cpu.Go, wantD, nd, rows, first)
				for _, tier := range cpu.Tiers() {
					gotQ, gotD := slices.Clone(q), slices.Clone(d)
					shiftBytes(tier, gotQ, nq, rows, first)
					shiftWords(tier, gotD, nd, rows, first)
					if !slices.Equal(gotQ, wantQ) || !slices.Equal(gotD, wantD) {
						t.Fatalf("%v: %d rows from %d: %v and %v, want %v and %v", tier, rows, first, gotQ, gotD, wantQ, wantD)
					}
				}
			}
		}
	}
}

func testShiftGuard(t *testing.T) {
	for _, edge := range kerneltest.Edges {
		q, d := kerneltest.GuardedOf[int8](t, 3*Block, edge), kerneltest.GuardedOf[uint16](t, 3*Block, edge)
		// Of the next block a row's first lane alone is read.
		nq, nd := kerneltest.GuardedOf[int8](t, 2*Block+1, edge), kerneltest.GuardedOf[uint16](t, 2*Block+1, edge)
		for _, tier := range cpu.Tiers() {
			for _, first := range []int{0, 31, 32, 63} {
				shiftBytes(tier, q, nq, 3, first)
				shiftWords(tier, d, nd, 3, first)
				shiftBytes(tier, q, nil, 3, first)
				shiftWords(tier, d, nil, 3, first)
			}
		}
	}
}

// A cache of 8 bits is half of float16's and a scale for each 32 numbers.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		kind tensor.DType
		want int64
	}{{tensor.F32, 2 * 64 * 64 * 4}, {tensor.F16, 2 * 64 * 64 * 2}, {tensor.Q8_0, 2 * 64 * (64 + 2*2)}} {
		kv := NewKV(64, c.kind)
		kv.Grow(1)
		if kv.Bytes() != c.want || kv.Blocks() != 1 {
			t.Errorf("a block of %v is %d bytes, want %d", c.kind, kv.Bytes(), c.want)
		}
		if n := kv.Clone(1); n.Bytes() != c.want {
			t.Errorf("a copy of %v is %d bytes, want %d", c.kind, n.Bytes(), c.want)
		}
	}
}

// Attention over 8 bits is attention over float32 that holds what they stand for.
func TestWideIsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 4))
	for _, sh := range shapes {
		if sh.kind != tensor.Q8_0 {
			continue
		}
		p := sh.problem(r)
		var s Scratch
		s.Forward(&p.kv, &p.q)
		got := slices.Concat(p.q.Out, p.q.M, p.q.L)
		s.Forward(p.kv.Widen(), &p.q)
		kerneltest.CheckBits(t, fmt.Sprintf("%+v", sh), got, slices.Concat(p.q.Out, p.q.M, p.q.L))
	}
}

// The scores that a pass kept give the sums that ColumnSums finds anew.
func TestAddProbs(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 5))
	for _, sh := range shapes {
		p := sh.problem(r)
		p.q.Stride = p.entries + 3
		p.q.Scores = make([]float32, (len(p.q.N)-1)*p.q.Stride+p.entries)
		for _, tier := range cpu.Tiers() {
			var s Scratch
			s.forward(tier, &p.kv, &p.q)
			got := make([][]float32, sh.heads)
			for h := range got {
				got[h] = normal(r, p.entries)
			}
			for h := range got {
				want := slices.Clone(got[h])
				q := p.q
				q.Heads, q.PosStride, q.Q, q.Scores = 1, p.q.PosStride, p.q.Q[h*p.q.HeadStride:], nil
				q.N, q.From, q.M, q.L = every(p.q.N, h, sh.heads), every(p.q.From, h, sh.heads), every(p.q.M, h, sh.heads), every(p.q.L, h, sh.heads)
				s.columnSums(tier, &p.kv, &q, want)
				sums := make([][]float32, sh.heads)
				for i := range sums {
					sums[i] = make([]float32, p.entries)
				}
				sums[h] = slices.Clone(got[h])
				addProbs(tier, &p.q, sums)
				kerneltest.CheckBits(t, fmt.Sprintf("%+v %v head %d", sh, tier, h), sums[h], want)
			}
		}
	}
}

// every returns each step-th number from the first on.
func every[E any](s []E, first, step int) []E {
	var out []E
	for i := first; i < len(s); i += step {
		out = append(out, s[i])
	}
	return out
}
