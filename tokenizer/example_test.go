package tokenizer_test

import (
	"fmt"

	"github.com/micaml/mica/tokenizer"
)

// A loader hands over what the model file says; this one is small enough to read.
func Example() {
	bpe, err := tokenizer.NewBPE(tokenizer.Config{
		Tokens: []string{"<|end|>", "Ġ", "h", "i", "o", "hi", "Ġhi", "ho"},
		Types:  []int32{3, 1, 1, 1, 1, 1, 1, 1},
		Merges: []string{"h i", "Ġ hi", "h o"},
		Pre:    "gpt-2",
		BOS:    tokenizer.None, EOS: 0, Unknown: tokenizer.None, Pad: tokenizer.None,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := bpe.Encode("hi hi ho<|end|>", tokenizer.EncodeOptions{Special: true})
	for _, id := range ids {
		piece, _ := bpe.Piece(id)
		fmt.Printf("%d %q\n", id, piece)
	}
	fmt.Println(bpe.Decode(ids), bpe.IsEOG(ids[len(ids)-1]))
	// Output:
	// 5 "hi"
	// 6 " hi"
	// 1 " "
	// 7 "ho"
	// 0 "<|end|>"
	// hi hi ho<|end|> true
}
