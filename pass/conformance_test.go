package pass_test

import (
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

func tokens(seed uint64, n, vocab int) []int32 {
	r := rand.New(rand.NewPCG(seed, 5))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

func tinyConfig() lm.Config {
	return lm.Config{Architecture: "llama", Layers: 3, Width: 64, Heads: 6, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: 50, Context: 512, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}
}

func decoder(t *testing.T, kind tensor.DType) *lm.Decoder {
	t.Helper()
	n, err := lm.NewRandom(tinyConfig(), kind, 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDecoder(t *testing.T) {
	n := decoder(t, tensor.F32)
	passtest.Conform(t, passtest.Case{Net: n, Weights: n.Weights(), Steps: true,
		Seqs: func() []*pass.Seq { return []*pass.Seq{pass.NewSeq(tokens(1, 21, 50)...)} }})
}

func TestRaggedBatch(t *testing.T) {
	n := decoder(t, tensor.F32)
	passtest.Conform(t, passtest.Case{Net: n, Weights: n.Weights(), Steps: true, Seqs: raggedSeqs})
}

// A batch of three lengths, one of them a single token and one beyond a key
// block of 64.
func raggedSeqs() []*pass.Seq {
	return []*pass.Seq{pass.NewSeq(tokens(1, 9, 50)...), pass.NewSeq(7), pass.NewSeq(tokens(2, 71, 50)...)}
}

func TestQuantised(t *testing.T) {
	for _, kind := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.F16} {
		t.Run(kind.String(), func(t *testing.T) {
			passtest.Conform(t, passtest.Case{Net: decoder(t, kind), Steps: true, Seqs: raggedSeqs,
				Modes: []op.Mode{op.Exact, op.Fast}})
		})
	}
}

// A sequence may have a type of keys and values of its own, which the engine may
// have too.
func TestCacheKinds(t *testing.T) {
	for _, kv := range []pass.KVKind{pass.KVF32, pass.KVF16, pass.KVQ8} {
		passtest.Conform(t, passtest.Case{Net: decoder(t, tensor.Q8_0), Steps: true, Modes: []op.Mode{op.Exact, op.Fast}, Seqs: func() []*pass.Seq {
			s := raggedSeqs()
			for i := range s {
				s[i].KV = kv
			}
			return s
		}})
	}
	for _, mode := range []op.Mode{op.Exact, op.Fast} {
		seq := func() *pass.Seq { return pass.NewSeq(tokens(2, 71, 50)...) }
		size := func(o pass.Options, own pass.KVKind) (int64, []float32) {
			o.Mode = mode
			e := engine(t, decoder(t, tensor.Q8_0), o)
			s := seq()
			s.KV = own
			x := through(t, e, s)
			return s.Bytes(), x
		}
		numbers := int64(3 * 2 * 2 * 2 * 64 * 16) // layers, heads, blocks, keys and values
		for own, want := range map[pass.KVKind]int64{pass.KVF32: 4 * numbers, pass.KVF16: 2 * numbers, pass.KVQ8: numbers + 2*numbers/16} {
			byOption, x := size(pass.Options{KV: own}, 0)
			bySeq, y := size(pass.Options{KV: pass.KVF32}, own)
			if byOption != want || bySeq != want {
				t.Errorf("%v, kind %d: %d and %d bytes, want %d", mode, own, byOption, bySeq, want)
			}
			passtest.Same(t, "by option and by sequence", x, y)
		}
	}
}

func TestEncoderDecoder(t *testing.T) {
	n := newEncdec()
	passtest.Conform(t, passtest.Case{Net: n, Weights: n.all, Seqs: func() []*pass.Seq {
		return []*pass.Seq{
			{Tokens: tokens(1, 7, edVocab), Target: tokens(2, 5, edVocab)},
			{Tokens: tokens(3, 1, edVocab), Target: tokens(4, 9, edVocab)},
			{Tokens: tokens(5, 70, edVocab), Target: tokens(6, 1, edVocab)},
		}
	}})
}

func TestUNet(t *testing.T) {
	n := newUnet()
	passtest.Conform(t, passtest.Case{Net: n, Weights: n.all, Seqs: func() []*pass.Seq {
		r := rand.New(rand.NewPCG(8, 8))
		var s []*pass.Seq
		for range 3 {
			x := make([]float32, 32)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			s = append(s, &pass.Seq{Input: x})
		}
		return s
	}})
}

func TestRecurrent(t *testing.T) {
	n := newRecurrent()
	passtest.Conform(t, passtest.Case{Net: n, Weights: n.all, Steps: true, Seqs: func() []*pass.Seq {
		return []*pass.Seq{pass.NewSeq(tokens(1, 12, 16)...), pass.NewSeq(3), pass.NewSeq(tokens(2, 5, 16)...)}
	}})
}
