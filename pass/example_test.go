package pass_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The prompt goes through one layer, three of its tokens go on, and decoding
// continues from what the layers remember.
func Example() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 3, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16, MLP: 64,
		Vocabulary: 40, Context: 128, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{})
	defer eng.Close()
	ctx := context.Background()

	seq := pass.NewSeq(5, 6, 7, 8, 9, 10)
	p, err := eng.Begin(seq)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.End()
	if err := p.Run(ctx, 0, 1); err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Keep([]int{0, 3, 5}, pass.Compact); err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(ctx, 1, eng.Depth()); err != nil {
		fmt.Println(err)
		return
	}
	logits, err := p.Logits(-1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(logits), "logits at boundary", p.At(), "for", p.Rows())
	for i := range eng.Depth() {
		fmt.Println("layer", i, "remembers", seq.Memory(i).Len(0))
	}
	// Output:
	// 40 logits at boundary 3 for [{0 0} {0 1} {0 2}]
	// layer 0 remembers 6
	// layer 1 remembers 3
	// layer 2 remembers 3
}

// A watcher sees the numbers of a site; layers may run one at a time.
func ExampleSeq_Watch() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16, MLP: 64,
		Vocabulary: 40, Context: 128, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{})
	defer eng.Close()
	seq := pass.NewSeq(5, 6, 7)
	err = seq.Watch("attn.z", func(at pass.At, x []float32) {
		fmt.Println("layer", at.Layer, at.Site, len(at.Rows), "x", at.Width)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := eng.Begin(seq)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, eng.Depth()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// layer 0 attn.z 3 x 32
	// layer 1 attn.z 3 x 32
}
