package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/dataset"
)

// Documents of a JSONL file.
func ExampleReadJSONL() {
	docs, err := dataset.ReadJSONL(strings.NewReader(`{"text":"Mica cleaves.","id":1}
{"text":"Quartz doesn't.","id":2}`), "text")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range docs {
		fmt.Println(d)
	}
	// Output:
	// Mica cleaves.
	// Quartz doesn't.
}

// Pictures in folders: each folder is a class.
func ExampleOpenImages() {
	folder, err := os.MkdirTemp("", "minerals")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	for _, class := range []string{"mica", "quartz"} {
		var file bytes.Buffer
		if err := errors.Join(os.Mkdir(filepath.Join(folder, class), 0o755), png.Encode(&file, image.NewGray(image.Rect(0, 0, 40, 30))),
			os.WriteFile(filepath.Join(folder, class, "1.png"), file.Bytes(), 0o644)); err != nil {
			fmt.Println(err)
			return
		}
	}
	set, err := dataset.OpenImages(folder, 8, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Len(), set.Dims(), set.Names())
	// Output: 2 [8 8 3] [mica quartz]
}

// Five examples with one number each, two at a time.
func Example() {
	set, err := dataset.NewTable([]float32{10, 11, 12, 13, 14}, []int{1}, []int32{0, 1, 0, 1, 0}, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := dataset.NewLoader(set, dataset.Options{Batch: 2, InOrder: true, Rest: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	for range l.Batches() {
		b, err := l.Next(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(b.Index, b.X, b.Labels)
	}
	// Output:
	// [0 1] [10 11] [0 1]
	// [2 3] [12 13] [0 1]
	// [4] [14] [0]
}
