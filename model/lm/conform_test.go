package lm_test

import (
	"fmt"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// Three sequences: one alone in a key block, one of a single token, and one
// beyond a key block of 64.
func threeSeqs() []*pass.Seq {
	return []*pass.Seq{
		pass.NewSeq(randomTokens(1, 9, 300)...), pass.NewSeq(7), pass.NewSeq(randomTokens(2, 70, 300)...),
	}
}

// The laws of the waist, for three query heads to a KV head.
func TestConform(t *testing.T) {
	for _, kind := range []tensor.DType{tensor.F32, tensor.Q4_1} {
		t.Run(kind.String(), func(t *testing.T) {
			n := tiny(t, kind)
			c := passtest.Case{Net: n, Steps: true, Seqs: threeSeqs, Modes: []op.Mode{op.Exact, op.Fast}}
			if kind == tensor.F32 {
				c.Weights = n.Weights()
			}
			passtest.Conform(t, c)
		})
	}
}

func TestConformOfFamilies(t *testing.T) {
	for _, a := range architectures {
		for _, kind := range []tensor.DType{tensor.F32, tensor.Q8_0} {
			t.Run(fmt.Sprint(a, " ", kind), func(t *testing.T) {
				n := tinyOf(t, a, kind)
				c := passtest.Case{Net: n, Steps: true, Seqs: threeSeqs, Modes: []op.Mode{op.Exact}}
				if kind == tensor.F32 {
					c.Weights = n.Weights()
				} else {
					c.Modes = []op.Mode{op.Fast}
				}
				passtest.Conform(t, c)
			})
		}
	}
}

// A steady step from token to token allocates nothing.
func TestStepAllocatesNothing(t *testing.T) {
	for _, a := range architectures {
		t.Run(a, func(t *testing.T) { noAllocs(t, 300, tinyOf(t, a, tensor.Q8_0)) })
	}
	noAllocs(t, tiny(t, tensor.Q8_0).Config.Vocabulary, tiny(t, tensor.Q8_0))
}

func TestRealModelStepAllocatesNothing(t *testing.T) {
	m := openRealModel(t)
	noAllocs(t, m.Net.Config.Vocabulary, m.Net)
}

func noAllocs(t *testing.T, vocab int, n pass.Net) {
	t.Helper()
	const runs = 20
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		for _, threads := range []int{1, 2} {
			eng := pass.NewEngine(n, pass.Options{Mode: mode, Threads: threads})
			seq := pass.NewSeq(randomTokens(3, 40, vocab)...)
			seq.Reserve(64)
			p, err := eng.Begin(seq)
			check(t, err)
			check(t, p.Run(bg, 0, eng.Depth()))
			_, err = p.Logits(-1)
			check(t, err)
			allocs := testing.AllocsPerRun(runs, func() {
				seq.Append(5)
				err := p.Restart(seq)
				if err == nil {
					err = p.Run(bg, 0, eng.Depth())
				}
				if err == nil {
					_, err = p.Logits(-1)
				}
				if err != nil {
					t.Fatal(err)
				}
			})
			p.End()
			eng.Close()
			if allocs != 0 {
				t.Errorf("%v, %d threads: %v allocations in a step", mode, threads, allocs)
			}
			if seq.Next() != 40+runs+1 {
				t.Errorf("%d tokens have run", seq.Next())
			}
		}
	}
}
