package mica_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/micaml/mica"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/pass"
)

// Load a model, step to a layer, keep the 16 tokens that the last one looks for
// there and the last one itself, and go on with these. The model has random
// weights, so of what it says only the length means anything.
func Example() {
	file, remove, err := tiny()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	ctx, text, layer, k := context.Background(), "the the the Paris the the the the", 1, 16

	m, err := mica.Load(ctx, file, mica.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	ids, err := m.Chat(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := m.Begin(ids...)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err = p.Run(ctx, 0, layer); err != nil {
		fmt.Println(err)
		return
	}
	qk, err := p.Peek(ctx, pass.RotQ, pass.RotK)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, q := len(ids), qk[0]
	scores := gemfilter.Score(q[len(q)-len(q)/n:], qk[1], n, m.HeadDim())
	rows := append(keep.Top(scores[:n-1], k), n-1)
	if err = p.Keep(rows, pass.Original); err != nil {
		fmt.Println(err)
		return
	}
	var answer []byte
	for piece, err := range m.Continue(ctx, p, mica.GenerateOptions{Max: 64}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		answer = fmt.Append(answer, piece)
	}
	fmt.Println(len(rows), "of", n, "tokens went deeper, and an answer came out:", len(answer) > 0)
	// Output: 17 of 27 tokens went deeper, and an answer came out: true
}

// Methods are values: one that picks tokens of a prompt, and one that lets
// layers forget keys and values of those.
func ExampleModel_Generate() {
	file, remove, err := tiny()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	m, err := mica.Load(context.Background(), file, mica.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	var report mica.Report
	for _, err := range m.Generate(context.Background(), "the Paris in the the the", mica.GenerateOptions{
		Max:    3,
		Select: gemfilter.Filter{Layer: 1, Keep: 20},
		Cache:  snapkv.Method{Budget: 16, Window: 4},
		Report: &report,
	}) {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(report.Prompt, "tokens,", len(report.Kept), "read again,",
		report.Cache.After.Entries/report.Cache.Heads, "remembered by each head,", report.Timing.Tokens, "generated")
	// Output: 26 tokens, 20 read again, 16 remembered by each head, 3 generated
}

// tiny writes a model of a few kilobytes.
func tiny() (file string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "mica")
	if err != nil {
		return "", nil, err
	}
	file = filepath.Join(dir, "tiny.gguf")
	return file, func() { os.RemoveAll(dir) }, tinymodel.Write(file)
}
