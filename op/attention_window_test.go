package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// windowed is the definition of sliding-window attention in float64: the last
// len(q) rows of k and v are the queries' own. It returns the outputs [T, H*Dh]
// and the probabilities [H, T, n].
func windowed(h op.Heads, q, k, v []float32, pos []int32) (z []float64, probs [][][]float64) {
	n, rows := len(pos), len(q)/(h.Query*h.Dim)
	z = make([]float64, len(q))
	probs = make([][][]float64, h.Query)
	for head := range h.Query {
		g := head / (h.Query / h.KV)
		for r := range rows {
			own := n - rows + r
			p, sum := make([]float64, n), 0.0
			for j := 0; j <= own; j++ {
				if h.Window > 0 && pos[j] <= pos[own]-int32(h.Window) {
					continue
				}
				s := 0.0
				for d := range h.Dim {
					s += float64(q[(r*h.Query+head)*h.Dim+d]) * float64(k[(j*h.KV+g)*h.Dim+d])
				}
				p[j] = math.Exp(s / math.Sqrt(float64(h.Dim)))
				sum += p[j]
			}
			for j := range p {
				p[j] /= sum
				for d := range h.Dim {
					z[(r*h.Query+head)*h.Dim+d] += p[j] * float64(v[(j*h.KV+g)*h.Dim+d])
				}
			}
			probs[head] = append(probs[head], p)
		}
	}
	return z, probs
}

// A window gives what its definition says, with gaps in the positions too:
// outputs, column sums and patterns, the same bits in any chunks.
func TestAttentionWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for _, c := range []struct{ n, window, gap int }{
		{1, 1, 1}, {9, 1, 1}, {9, 4, 1}, {9, 9, 1}, {9, 100, 1}, {70, 5, 1}, {130, 64, 1}, {130, 65, 2}, {200, 63, 3}, {2300, 100, 1}, {2300, 1500, 1},
	} {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%+v, %d threads", c, threads), func(t *testing.T) {
				h := op.Heads{Query: 4, KV: 2, Dim: 8, Window: c.window}
				pos := make([]int32, c.n)
				for i := range pos {
					pos[i] = int32(i)
					if i > 0 {
						pos[i] = pos[i-1] + 1 + int32(r.IntN(c.gap))
					}
				}
				q, k, v := normals(r, c.n*h.Query*h.Dim), normals(r, c.n*h.KV*h.Dim), normals(r, c.n*h.KV*h.Dim)
				want, probs := windowed(h, q, k, v, pos)
				pool := par.New(threads)
				defer pool.Close()
				var first []float32
				for _, chunk := range []int{c.n, 1 + c.n/3, 1} {
					ctx := op.NewCtx(op.Exact, pool)
					cache := op.NewCache(h.KV, h.Dim, tensor.F32)
					cache.TrackSums(h.Query)
					var got []float32
					var pattern []float32
					for lo := 0; lo < c.n; lo += chunk {
						hi := min(lo+chunk, c.n)
						part := func(x []float32) op.Val {
							w := len(x) / c.n
							return ctx.From(x[lo*w:hi*w], hi-lo, w)
						}
						qv := part(q)
						z := op.Attention(ctx, qv, part(k), part(v), &op.AttentionSpec{Heads: h, Causal: true,
							Runs: []op.Run{{Queries: hi - lo, Keys: hi - lo, Pos: pos[lo:hi], Cache: cache}}})
						got = append(got, ctx.Data(z)...)
						if hi == c.n {
							last := op.Rows(ctx, qv, []int32{int32(hi - lo - 1)})
							pattern = ctx.Data(op.Pattern(ctx, last, cache, h))
						}
					}
					if ctx.Err() != nil {
						t.Fatal(ctx.Err())
					}
					if first == nil {
						first = got
						closeTo(t, "output", got, want)
						sums, last := make([]float64, 0, c.n*h.Query), make([]float64, 0, c.n*h.Query)
						for _, rows := range probs {
							for j := range c.n {
								s := 0.0
								for _, p := range rows {
									s += p[j]
								}
								sums = append(sums, s)
							}
							last = append(last, rows[c.n-1]...)
						}
						closeTo(t, "column sums", cache.Sums(), sums)
						closeTo(t, "pattern", pattern, last)
					}
					if !slices.Equal(got, first) {
						t.Errorf("chunks of %d: other bits", chunk)
					}
				}
			})
		}
	}
}

func closeTo(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i])-want[i]) <= 1e-5*(1+math.Abs(want[i]))) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// Gradients through a window, by differences of the float64 definition.
func TestAttentionWindowGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ n, window int }{{7, 3}, {7, 1}, {70, 6}, {70, 66}} {
		h := op.Heads{Query: 2, KV: 1, Dim: 4, Window: c.window}
		x := [][]float32{normals(r, c.n*h.Query*h.Dim), normals(r, c.n*h.KV*h.Dim), normals(r, c.n*h.KV*h.Dim)}
		weights := normals(r, c.n*h.Query*h.Dim)
		pos := make([]int32, c.n)
		for i := range pos {
			pos[i] = int32(i)
		}
		ctx := op.NewCtx(op.Exact, nil)
		tape := grad.Start(ctx)
		var in [3]op.Val
		for i := range in {
			in[i] = ctx.From(x[i], c.n, len(x[i])/c.n)
			ctx.Want(in[i])
		}
		z := op.Attention(ctx, in[0], in[1], in[2], &op.AttentionSpec{Heads: h, Causal: true, Runs: []op.Run{{Queries: c.n, Keys: c.n, Pos: pos}}})
		if err := tape.BackwardFrom(grad.Seed{Val: z, Grad: weights}); err != nil {
			t.Fatal(err)
		}
		loss := func() (s float64) {
			z, _ := windowed(h, x[0], x[1], x[2], pos)
			for i, v := range z {
				s += v * float64(weights[i])
			}
			return s
		}
		for i := range x {
			got := tape.Into(in[i])
			for range 40 {
				j := r.IntN(len(x[i]))
				old := x[i][j]
				const step = 1.0 / 256
				x[i][j] = old + step
				up := loss()
				x[i][j] = old - step
				want := (up - loss()) / (2 * step)
				x[i][j] = old
				if math.Abs(float64(got[j])-want) > 2e-4*(1+math.Abs(want)) {
					t.Errorf("%+v: gradient %d of input %d is %v, want %v", c, j, i, got[j], want)
				}
			}
		}
		tape.End()
	}
}

// Positions that go back have no window.
func TestAttentionWindowRefuses(t *testing.T) {
	c := op.NewCtx(op.Exact, nil)
	h := op.Heads{Query: 1, KV: 1, Dim: 4, Window: 2}
	x := c.From(make([]float32, 12), 3, 4)
	op.Attention(c, x, x, x, &op.AttentionSpec{Heads: h, Causal: true, Runs: []op.Run{{Queries: 3, Keys: 3, Pos: []int32{5, 1, 6}}}})
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "op: attention: a window of 2 over positions that do not ascend") {
		t.Error(err)
	}
}
