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

// evenPlaces is a cache method of one's own.
type evenPlaces struct{}

func (evenPlaces) Plan(int) (keep.Plan, error) { return keep.Plan{}, nil }

func (evenPlaces) Compress(l *keep.Layer) error {
	var kept []int
	for i := 0; i < l.Len(0); i += 2 {
		kept = append(kept, i)
	}
	return l.Keep(-1, kept)
}

// A Compressor is in charge of what layers remember, whoever runs the
// sequence.
func ExampleCompress() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 2, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16,
		MLP: 64, Vocabulary: 50, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{Threads: 1})
	defer eng.Close()

	seq := pass.NewSeq(10, 11, 12, 13, 14)
	c, err := keep.Compress(eng, seq, len(seq.Tokens), evenPlaces{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, err := range lm.Generate(context.Background(), eng, seq, lm.Options{Max: 2}) {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	r := c.Report()
	fmt.Println(r.Before.Entries, "entries of the prompt,", r.After.Entries, "kept;", "the next position is", seq.Next())
	fmt.Println(seq.Memory(0).(*pass.KV).Positions(0))
	// Output:
	// 10 entries of the prompt, 6 kept; the next position is 6
	// [0 2 4 5]
}
