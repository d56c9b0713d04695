package tokenizer_test

import (
	"fmt"
	"strings"

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

// The same from a Hugging Face tokenizer.json. Plain text cannot forge a control
// token; where it is the template that wrote the text, Special says so.
func ExampleFromJSON() {
	bpe, err := tokenizer.FromJSON([]byte(`{
		"model": {"type": "BPE", "vocab": {"Ġ": 0, "h": 1, "i": 2, "hi": 3, "<": 4, "e": 5, "n": 6, "d": 7, ">": 8}, "merges": ["h i"]},
		"added_tokens": [{"id": 9, "content": "<end>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
		"decoder": {"type": "ByteLevel"}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, special := range []bool{false, true} {
		var pieces []string
		for _, id := range bpe.Encode("hi hi<end>", tokenizer.EncodeOptions{Special: special}) {
			piece, _ := bpe.Piece(id)
			pieces = append(pieces, piece)
		}
		fmt.Println(strings.Join(pieces, "|"))
	}
	// Output:
	// hi| |hi|<|e|n|d|>
	// hi| |hi|<end>
}
