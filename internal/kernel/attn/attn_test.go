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

// problem is an attention over one kv head, with what float64 needs to redo it.
type problem struct {
	kv      KV
	q       Rows
	k, v    [][]float32 // entries as the cache holds them
	entries int
}

// newProblem makes heads rows for each of n positions, causal when causal is
// set, with a sliding window when window > 0. Blocks hold NaN where no entry is.
func newProblem(r *rand.Rand, dim, heads, n, past int, kind tensor.DType, causal bool, window int) *problem {
	p := &problem{kv: NewKV(dim, kind), entries: past + n}
	p.kv.Grow(p.entries)
	for b := range p.kv.Blocks() {
		switch kind {
		case tensor.F16:
			fill(p.kv.F16[b], 0x7e00)
		case tensor.Q8_0:
			fill(p.kv.Q8[b], 99)
			fill(p.kv.D[b], 0x7e00)
		default:
			fill(p.kv.F32[b], float32(math.NaN()))
		}
	}
	for i := range p.entries {
		k, v := normal(r, dim), normal(r, dim)
		p.kv.Put(i, k, v)
		p.kv.Get(i, k, v)
		p.k, p.v = append(p.k, k), append(p.v, v)
	}
	rows := n * heads
	p.q = Rows{
		Heads: heads, PosStride: heads*dim + 3, HeadStride: dim,
		Q: normal(r, n*(heads*dim+3)), Out: make([]float32, n*(heads*dim+3)),
		Scale: float32(1 / math.Sqrt(float64(dim))),
		N:     make([]int, rows), M: make([]float32, rows), L: make([]float32, rows),
	}
	if window > 0 {
		p.q.From = make([]int, rows)
	}
	for i := range rows {
		p.q.N[i] = p.entries
		if causal {
			p.q.N[i] = past + i/heads + 1
		}
		if window > 0 {
			p.q.From[i] = max(0, past+i/heads+1-window)
		}
	}
	return p
}

// kinds are how a cache may keep numbers.
var kinds = []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}

// rounded8 is what a cache of 8 bits makes of x, in float64: the definition.
func rounded8(x []float32) []float32 {
	y := make([]float32, len(x))
	for lo := 0; lo < len(x); lo += 32 {
		part := x[lo:min(lo+32, len(x))]
		amax := 0.0
		for _, v := range part {
			amax = max(amax, math.Abs(float64(v)))
		}
		d := float32(amax / 127)
		for i, v := range part {
			y[lo+i] = float32(int(math.RoundToEven(float64(v*(1/d))))) * tensor.F16ToF32(tensor.F32ToF16(d))
		}
	}
	return y
}

func fill[E any](s []E, x E) {
	for i := range s {
		s[i] = x
	}
}

func normal(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// slice is rows [lo, hi) as a problem of their own; both whole positions.
func (p *problem) slice(lo, hi int) *Rows {
	q := p.q
	h := q.Heads
	q.Q, q.Out = q.Q[lo/h*q.PosStride:], q.Out[lo/h*q.PosStride:]
	q.N, q.M, q.L = q.N[lo:hi], q.M[lo:hi], q.L[lo:hi]
	if q.From != nil {
		q.From = q.From[lo:hi]
	}
	return &q
}

// reference returns row r's output and probabilities in float64.
func (p *problem) reference(r int) (out, prob []float64) {
	q := p.q.Q[p.q.at(r):]
	from := 0
	if p.q.From != nil {
		from = p.q.From[r]
	}
	prob = make([]float64, p.entries)
	out = make([]float64, p.kv.Dim)
	top, sum := math.Inf(-1), 0.0
	for j := from; j < p.q.N[r]; j++ {
		for d := range p.kv.Dim {
			prob[j] += float64(q[d]) * float64(p.k[j][d])
		}
		prob[j] *= float64(p.q.Scale)
		top = max(top, prob[j])
	}
	for j := from; j < p.q.N[r]; j++ {
		prob[j] = math.Exp(prob[j] - top)
		sum += prob[j]
	}
	for j := from; j < p.q.N[r]; j++ {
		prob[j] /= sum
		for d := range out {
			out[d] += prob[j] * float64(p.v[j][d])
		}
	}
	return out, prob
}

type shape struct {
	dim, heads, n, past int
	kind                tensor.DType
	causal              bool
	window              int
}

var shapes = []shape{
	{64, 3, 1, 0, tensor.F32, true, 0},
	{64, 3, 1, 99, tensor.F16, true, 0},
	{64, 1, 64, 0, tensor.F32, true, 0},
	{64, 3, 70, 5, tensor.F32, true, 0},
	{64, 3, 70, 5, tensor.F16, true, 0},
	{64, 2, 30, 300, tensor.F16, true, 100},
	{64, 2, 90, 70, tensor.F32, true, 20},
	{32, 1, 130, 0, tensor.F32, false, 0},
	{20, 2, 33, 64, tensor.F32, true, 0},
	{20, 2, 33, 64, tensor.F16, true, 0},
	{1, 1, 5, 0, tensor.F32, true, 0},
	{80, 1, 20, 60, tensor.F16, true, 0},
	{128, 4, 9, 130, tensor.F16, true, 0},
	{256, 1, 40, 50, tensor.F32, true, 0},
	{300, 2, 10, 60, tensor.F16, true, 0},
	// More than one span.
	{64, 3, 40, 1010, tensor.F16, true, 0},
	{16, 2, 3, 2300, tensor.F32, false, 0},
	{20, 1, 60, 2030, tensor.F16, true, 1100},
	{20, 1, 9, 3000, tensor.F32, true, 40},
	// 8 bits.
	{64, 3, 1, 0, tensor.Q8_0, true, 0},
	{64, 3, 70, 5, tensor.Q8_0, true, 0},
	{64, 2, 30, 300, tensor.Q8_0, true, 100},
	{1, 1, 5, 0, tensor.Q8_0, true, 0},
	{20, 2, 33, 64, tensor.Q8_0, true, 0},
	{40, 1, 20, 60, tensor.Q8_0, false, 0},
	{128, 4, 9, 130, tensor.Q8_0, true, 0},
	{300, 2, 10, 60, tensor.Q8_0, true, 0},
	{64, 3, 5, 2010, tensor.Q8_0, true, 0},
}

func (s shape) problem(r *rand.Rand) *problem {
	return newProblem(r, s.dim, s.heads, s.n, s.past, s.kind, s.causal, s.window)
}

func TestForwardAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, sh := range shapes {
		p := sh.problem(r)
		var want []float32
		for _, tier := range cpu.Tiers() {
			var s Scratch
			clear(p.q.Out)
			s.forward(tier, &p.kv, &p.q)
			if want == nil {
				want = slices.Clone(p.q.Out)
			}
			kerneltest.CheckBits(t, fmt.Sprintf("%+v %v", sh, tier), p.q.Out, want)
		}
		sums := make([]float64, p.entries)
		worst := 0.0
		rows := len(p.q.N)
		probs := make([]float32, rows*p.entries)
		columns := make([]float32, p.entries)
		var s Scratch
		s.Probs(&p.kv, &p.q, probs, p.entries)
		s.ColumnSums(&p.kv, &p.q, columns)
		for i := range rows {
			out, prob := p.reference(i)
			for d, w := range out {
				worst = max(worst, math.Abs(float64(p.q.Out[p.q.at(i)+d])-w))
			}
			for j, w := range prob {
				sums[j] += w
				if e := math.Abs(float64(probs[i*p.entries+j]) - w); e > 2e-6 {
					t.Fatalf("%+v: probability of entry %d for row %d is %v, want %v", sh, j, i, probs[i*p.entries+j], w)
				}
				if w == 0 && probs[i*p.entries+j] != 0 {
					t.Fatalf("%+v: row %d sees entry %d", sh, i, j)
				}
			}
		}
		if worst > 5e-6 {
			t.Errorf("%+v: error %v against float64", sh, worst)
		}
		for j, w := range sums {
			if e := math.Abs(float64(columns[j]) - w); e > 2e-6*float64(rows) {
				t.Errorf("%+v: column sum %d is %v, want %v", sh, j, columns[j], w)
			}
		}
		for i := range len(p.q.Q) { // between the rows nothing was written
			if i%p.q.PosStride >= p.q.Heads*sh.dim && p.q.Out[i] != 0 {
				t.Fatalf("%+v: output %d lies between rows and is %v", sh, i, p.q.Out[i])
			}
		}
	}
}

// A row's bits must not depend on the rows around it.
func TestRowsAreIndependent(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, sh := range shapes {
		p := sh.problem(r)
		var s Scratch
		s.Forward(&p.kv, &p.q)
		sums := make([]float32, p.entries)
		s.ColumnSums(&p.kv, &p.q, sums)
		want, wantM, wantL := slices.Clone(p.q.Out), slices.Clone(p.q.M), slices.Clone(p.q.L)
		for range 3 {
			clear(p.q.Out)
			got := make([]float32, p.entries)
			for lo := 0; lo < len(p.q.N); {
				hi := min(lo+p.q.Heads*(1+r.IntN(30)), len(p.q.N))
				q := p.slice(lo, hi)
				s.Forward(&p.kv, q)
				s.ColumnSums(&p.kv, q, got)
				lo = hi
			}
			kerneltest.CheckBits(t, fmt.Sprintf("%+v outputs", sh), p.q.Out, want)
			kerneltest.CheckBits(t, fmt.Sprintf("%+v m", sh), p.q.M, wantM)
			kerneltest.CheckBits(t, fmt.Sprintf("%+v l", sh), p.q.L, wantL)
			kerneltest.CheckBits(t, fmt.Sprintf("%+v column sums", sh), got, sums)
		}
	}
}

// NaN in an entry reaches the rows that look at it and no other.
func TestLaterEntriesStayOut(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tier cpu.Tier) {
		for _, kind := range kinds {
			r := rand.New(rand.NewPCG(3, 3))
			p := newProblem(r, 64, 1, 100, 0, kind, true, 0)
			var s Scratch
			s.forward(tier, &p.kv, &p.q)
			want := slices.Clone(p.q.Out)
			nan := make([]float32, 64)
			for i := range nan {
				nan[i] = float32(math.NaN())
			}
			for _, j := range []int{99, 80, 64, 63, 17} {
				p.kv.Put(j, nan, nan)
				s.forward(tier, &p.kv, &p.q)
				at := p.q.at(j)
				kerneltest.CheckBits(t, fmt.Sprintf("%v, rows before %d", kind, j), p.q.Out[:at], want[:at])
				for i := j; i < 100; i++ {
					for d := range 64 {
						if o := p.q.Out[p.q.at(i)+d]; o == o {
							t.Fatalf("%v, row %d looks at entry %d, which is NaN, and gets %v", kind, i, j, o)
						}
					}
				}
			}
		}
	})
}

func TestEmptyRows(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	p := newProblem(r, 16, 1, 4, 0, tensor.F32, true, 0)
	p.q.N = []int{0, 0, 2, 3}
	for i := range p.q.Out {
		p.q.Out[i] = 7
	}
	var s Scratch
	s.Forward(&p.kv, &p.q)
	for i := range 32 + 3 {
		if want := float32(0); i%19 < 16 && p.q.Out[i] != want {
			t.Errorf("output %d of a row without entries is %v", i, p.q.Out[i])
		}
	}
	p.q.N = nil
	s.Forward(&p.kv, &p.q)
}

func TestCache(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, kind := range kinds {
		for _, dim := range []int{1, 20, 64, 300} {
			p := newProblem(r, dim, 1, 200, 0, kind, true, 0)
			k, v := make([]float32, dim), make([]float32, dim)
			x := normal(r, dim)
			p.kv.Put(70, x, x)
			p.kv.Get(70, k, v)
			want := slices.Clone(x)
			switch kind {
			case tensor.F16:
				for d := range x {
					want[d] = tensor.F16ToF32(tensor.F32ToF16(x[d]))
				}
			case tensor.Q8_0:
				want = rounded8(x)
			}
			kerneltest.CheckBits(t, fmt.Sprintf("%v key of %d", kind, dim), k, want)
			kerneltest.CheckBits(t, fmt.Sprintf("%v value of %d", kind, dim), v, want)
			p.k[70], p.v[70] = slices.Clone(k), slices.Clone(v)
			var keep []int
			for i := range 200 {
				if i < 3 || r.IntN(3) == 0 {
					keep = append(keep, i)
				}
			}
			p.kv.Keep(keep)
			for i, j := range keep {
				p.kv.Get(i, k, v)
				kerneltest.CheckBits(t, "kept key", k, p.k[j])
				kerneltest.CheckBits(t, "kept value", v, p.v[j])
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Keep took a list that does not ascend")
		}
	}()
	p := newProblem(r, 4, 1, 4, 0, tensor.F32, true, 0)
	p.kv.Keep([]int{1, 1})
}

func TestNoAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, kind := range kinds {
		p := newProblem(r, 64, 3, 40, 50, kind, true, 0)
		p.q.Stride = p.entries
		p.q.Scores = make([]float32, len(p.q.N)*p.q.Stride)
		probs, sums := make([]float32, len(p.q.N)*p.entries), make([]float32, p.entries)
		k := make([]float32, 64)
		g := newGrads(p)
		var s Scratch
		run := func() {
			s.Forward(&p.kv, &p.q)
			s.Probs(&p.kv, &p.q, probs, p.entries)
			s.ColumnSums(&p.kv, &p.q, sums)
			p.kv.Put(0, k, k)
			AddProbs(&p.q, [][]float32{sums, sums, sums})
			p.kv.Drop(0, p.entries)
			if kind == tensor.F32 {
				s.Backward(&p.kv, &p.q, g)
			}
		}
		run()
		if n := testing.AllocsPerRun(10, run); n != 0 {
			t.Errorf("%v: %v allocations", kind, n)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, sh := range []shape{
		{64, 3, 512, 0, tensor.F16, true, 0}, {64, 3, 512, 0, tensor.F32, true, 0}, {64, 3, 64, 4000, tensor.F16, true, 0}, {64, 3, 64, 4000, tensor.F32, true, 0},
		{64, 3, 1, 511, tensor.F16, true, 0}, {64, 3, 1, 511, tensor.Q8_0, true, 0}, {64, 3, 512, 0, tensor.Q8_0, true, 0}, {64, 3, 1, 7999, tensor.F16, true, 0}, {64, 3, 1, 7999, tensor.Q8_0, true, 0}, {128, 4, 1, 4095, tensor.F16, true, 0},
	} {
		b.Run(fmt.Sprintf("dim%d/heads%d/rows%d/entries%d/%v", sh.dim, sh.heads, sh.n, sh.past+sh.n, sh.kind), func(b *testing.B) {
			p := sh.problem(rand.New(rand.NewPCG(1, 1)))
			p.q.M, p.q.L = nil, nil
			var s Scratch
			for b.Loop() {
				s.Forward(&p.kv, &p.q)
			}
			seen := 0
			for _, n := range p.q.N {
				seen += n
			}
			b.ReportMetric(4*float64(seen*sh.dim)*float64(b.N)/b.Elapsed().Seconds()/1e9, "gflop/s")
		})
	}
}

func BenchmarkBackward(b *testing.B) {
	for _, sh := range []shape{{64, 1, 256, 0, tensor.F32, true, 0}, {64, 3, 512, 0, tensor.F32, true, 0}, {32, 1, 65, 0, tensor.F32, false, 0}} {
		b.Run(fmt.Sprintf("dim%d/heads%d/rows%d", sh.dim, sh.heads, sh.n), func(b *testing.B) {
			p := sh.problem(rand.New(rand.NewPCG(1, 1)))
			var s Scratch
			s.Forward(&p.kv, &p.q)
			g := newGrads(p)
			for b.Loop() {
				s.Backward(&p.kv, &p.q, g)
			}
			seen := 0
			for _, n := range p.q.N {
				seen += n
			}
			b.ReportMetric(10*float64(seen*sh.dim)*float64(b.N)/b.Elapsed().Seconds()/1e9, "gflop/s")
		})
	}
}

// BenchmarkDecode is one position after 7999 with caches that together are
// larger than the processor's, so that each is read from memory.
func BenchmarkDecode(b *testing.B) {
	const heads = 40
	for _, kind := range []tensor.DType{tensor.F16, tensor.Q8_0} {
		b.Run(kind.String(), func(b *testing.B) {
			var all []*problem
			bytes := int64(0)
			for i := range heads {
				p := shape{64, 3, 1, 7999, kind, true, 0}.problem(rand.New(rand.NewPCG(1, uint64(i))))
				all = append(all, p)
				bytes += p.kv.Bytes()
			}
			var s Scratch
			for b.Loop() {
				for _, p := range all {
					s.Forward(&p.kv, &p.q)
				}
			}
			b.ReportMetric(float64(bytes)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
		})
	}
}

// FuzzTiers looks for shapes in which the tiers differ.
func FuzzTiers(f *testing.F) {
	f.Add(uint64(1), uint16(64), uint8(3), uint8(20), uint16(70), true, true, uint8(0))
	f.Add(uint64(2), uint16(20), uint8(1), uint8(40), uint16(0), false, true, uint8(9))
	f.Fuzz(func(t *testing.T, seed uint64, dim uint16, heads, n uint8, past uint16, half, causal bool, window uint8) {
		kind := tensor.F32
		if half {
			kind = kinds[1+seed%2]
		}
		sh := shape{int(dim)%200 + 1, int(heads)%4 + 1, int(n)%50 + 1, int(past) % 200, kind, causal, int(window)}
		r := rand.New(rand.NewPCG(seed, 0))
		p := sh.problem(r)
		kerneltest.Awkward(p.q.Q[:min(len(p.q.Q), int(seed%64))], r.Uint64, 0.5)
		var want, wantM []float32
		var wantG *Grads
		for _, tier := range cpu.Tiers() {
			var s Scratch
			clear(p.q.Out)
			s.forward(tier, &p.kv, &p.q)
			g := newGrads(p)
			if kind == tensor.F32 {
				s.backward(tier, &p.kv, &p.q, g)
			}
			sums := make([]float32, p.entries)
			s.columnSums(tier, &p.kv, &p.q, sums)
			m := slices.Concat(p.q.M, p.q.L, sums)
			if want == nil {
				want, wantM, wantG = slices.Clone(p.q.Out), m, g
				continue
			}
			what := fmt.Sprintf("%+v ", sh)
			kerneltest.CheckBits(t, what+"outputs", p.q.Out, want)
			kerneltest.CheckBits(t, what+"m, l and sums", m, wantM)
			kerneltest.CheckBits(t, what+"dq", g.DQ, wantG.DQ)
			kerneltest.CheckBits(t, what+"dk", g.DK, wantG.DK)
			kerneltest.CheckBits(t, what+"dv", g.DV, wantG.DV)
		}
	})
}
