package perplexity_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/eval/perplexity"
	"github.com/micaml/mica/keep/streaming"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// A text in windows of 32 tokens, a stride of 16 apart; and the last 40 tokens of
// it where only 60 of the 260 before them are remembered.
func Example() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 32, Heads: 2, KVHeads: 2, HeadDim: 16, MLP: 64,
		Vocabulary: 50, Context: 512, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		panic(err)
	}
	eng := pass.NewEngine(net, pass.Options{})
	defer eng.Close()
	text := make([]int32, 300)
	for i := range text {
		text[i] = int32(i * i % 50)
	}
	ctx := context.Background()
	windows, err := perplexity.Windows(len(text), 32, 16, false)
	if err != nil {
		panic(err)
	}
	var all perplexity.Sum
	for _, w := range windows {
		s, err := perplexity.Text(ctx, eng, text, w, -1)
		if err != nil {
			panic(err)
		}
		all.Add(s)
	}
	_, whole, err := perplexity.Continuation(ctx, eng, text[:260], text[260:], perplexity.Method{})
	if err != nil {
		panic(err)
	}
	sum, cost, err := perplexity.Continuation(ctx, eng, text[:260], text[260:], perplexity.Method{Cache: streaming.Method{Budget: 60, Sinks: 4}})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(windows), "windows, the second", windows[1], "with", all.Tokens, "tokens that count")
	fmt.Println(sum.Tokens, "tokens after", cost.Bytes, "bytes of memory, which were", whole.Bytes)
	// Output:
	// 18 windows, the second {16 32 48} with 299 tokens that count
	// 40 tokens after 32768 bytes of memory, which were 163840
}
