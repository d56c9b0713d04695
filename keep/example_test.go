package keep_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// everyOther is a method of one's own.
type everyOther struct{}

func (everyOther) Select(_ context.Context, _ *pass.Engine, seq *pass.Seq) (keep.Selection, error) {
	s := keep.Selection{Layer: -1}
	for i := 0; i < len(seq.Tokens); i += 2 {
		s.Kept = append(s.Kept, i)
	}
	return s, nil
}

// A Selector says what to keep; the kept tokens are a prompt of their own.
func Example() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 1, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16,
		MLP: 64, Vocabulary: 50, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{Threads: 1})
	defer eng.Close()

	prompt := pass.NewSeq(10, 11, 12, 13, 14)
	var method keep.Selector = everyOther{}
	s, err := method.Select(context.Background(), eng, prompt)
	if err != nil {
		fmt.Println(err)
		return
	}
	short := prompt.Select(s.Kept)
	fmt.Println(s.Kept, short.Tokens)
	// Output: [0 2 4] [10 12 14]
}
