package attn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/internal/kerneltest"
)

// Spans by themselves, in any order, and then joined are Forward.
func TestPartsAreForward(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, sh := range shapes {
		if sh.heads*sh.n > PartRows {
			sh.n = PartRows / sh.heads
		}
		p := sh.problem(r)
		var s Scratch
		s.Forward(&p.kv, &p.q)
		want, wantM, wantL := slices.Clone(p.q.Out), slices.Clone(p.q.M), slices.Clone(p.q.L)
		clear(p.q.Out)
		clear(p.q.M)
		clear(p.q.L)
		rows := len(p.q.N)
		n, size := Spans(p.q.N[rows-1]), PartSize(rows, sh.dim)
		parts := make([]float32, n*size)
		for i := range parts {
			parts[i] = 77
		}
		for _, sp := range r.Perm(n) {
			var other Scratch
			other.Part(&p.kv, &p.q, sp, parts[sp*size:])
		}
		s.Join(&p.kv, &p.q, parts)
		kerneltest.CheckBits(t, fmt.Sprintf("%+v outputs", sh), p.q.Out, want)
		kerneltest.CheckBits(t, fmt.Sprintf("%+v m", sh), p.q.M, wantM)
		kerneltest.CheckBits(t, fmt.Sprintf("%+v l", sh), p.q.L, wantL)
	}
}
