package gemfilter_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The two passes of the method: layer 1 says which 8 of 40 tokens to keep, and
// the whole network reads those as a prompt of their own.
func Example() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 4, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16,
		MLP: 96, Vocabulary: 60, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{Mode: op.Exact})
	defer eng.Close()

	prompt := pass.NewSeq()
	for i := range int32(40) {
		prompt.Append(i * 7 % 60)
	}
	method := gemfilter.Filter{Layer: 1, Keep: 8}
	sel, err := method.Select(context.Background(), eng, prompt)
	if err != nil {
		fmt.Println(err)
		return
	}
	short := prompt.Select(sel.Kept)
	for _, err := range lm.Generate(context.Background(), eng, short, lm.Options{Max: 3}) {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(len(prompt.Tokens), "tokens,", len(sel.Kept), "kept,", len(short.Tokens), "with three new ones")
	// Output: 40 tokens, 8 kept, 11 with three new ones
}
