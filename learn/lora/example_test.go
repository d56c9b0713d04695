package lora_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// An adapter of the queries and values of a quantised network, and what it is made of.
func Example() {
	base, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16, MLP: 96,
		Vocabulary: 100, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.Q8_0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := lora.Parse("lora:rank=4,alpha=8,roles=q+v,layers=-1", len(base.Layers()))
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := lora.New(base, s, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		fmt.Println(err)
		return
	}
	net, err := a.Net(base) // for training, or to serve one adapter
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{})
	defer eng.Close()
	for _, w := range a.Weights() {
		fmt.Println(w.Name, w.Rows, "x", w.Cols)
	}
	fmt.Println(a.Parameters(), "numbers")
	// Output:
	// dec.1.q.lora_A 4 x 64
	// dec.1.q.lora_B 64 x 4
	// dec.1.v.lora_A 4 x 64
	// dec.1.v.lora_B 32 x 4
	// 896 numbers
}
