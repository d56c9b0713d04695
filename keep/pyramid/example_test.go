package pyramid_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/pyramid"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The lower a layer, the more it keeps of the prompt; and of the new tokens all
// but the last, which nothing has run yet.
func Example() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 4, Width: 64, Heads: 4, KVHeads: 2, HeadDim: 16,
		MLP: 96, Vocabulary: 60, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{})
	defer eng.Close()

	seq := pass.NewSeq()
	for i := range int32(40) {
		seq.Append(i * 7 % 60)
	}
	if _, err := keep.Compress(eng, seq, len(seq.Tokens), pyramid.Method{Method: snapkv.Method{Budget: 10, Window: 4}, Beta: 3}); err != nil {
		fmt.Println(err)
		return
	}
	for _, err := range lm.Generate(context.Background(), eng, seq, lm.Options{Max: 3}) {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	for i := range eng.Depth() {
		fmt.Println("layer", i, "remembers", seq.Memory(i).Len(0))
	}
	// Output:
	// layer 0 remembers 16
	// layer 1 remembers 14
	// layer 2 remembers 12
	// layer 3 remembers 10
}
