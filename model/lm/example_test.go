package lm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
)

// From a file to an answer. The file holds a model of a few kilobytes with
// random weights, so only the length of what it says means anything.
func Example() {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		fmt.Println(err)
		return
	}

	m, err := lm.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	eng := pass.NewEngine(m.Net, pass.Options{})
	defer eng.Close()
	ids, err := m.Chat(chat.Message{Role: "user", Content: "Paris?"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", m.Tokenizer.Decode(ids))

	seq := pass.NewSeq(ids...)
	for _, err := range lm.Generate(context.Background(), eng, seq, lm.Options{Max: 3}) {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(len(seq.Tokens)-len(ids), "tokens more")
	// Output:
	// "<|im_start|>user\nParis?<|im_end|>\n<|im_start|>assistant\n"
	// 3 tokens more
}
