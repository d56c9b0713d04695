package passtest_test

import (
	"testing"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// This is the body of a test of a network, which gives it t.
func ExampleConform() {
	var t *testing.T

	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16,
		MLP: 64, Vocabulary: 50, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		t.Fatal(err)
	}
	passtest.Conform(t, passtest.Case{
		Net:     net,
		Seqs:    func() []*pass.Seq { return []*pass.Seq{pass.NewSeq(1, 2, 3), pass.NewSeq(4)} },
		Weights: net.Weights(),
		Steps:   true,
	})
}
