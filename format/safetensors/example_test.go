package safetensors_test

import (
	"bytes"
	"fmt"

	"github.com/micaml/mica/format/safetensors"
)

// Write a file of one tensor, read it back and use its numbers in place.
func Example() {
	var file bytes.Buffer
	err := safetensors.Write(&file, map[string]string{"format": "pt"}, []safetensors.Tensor{
		{Name: "position_ids", Type: safetensors.I8, Shape: []uint64{2, 2, 2}},
	}, func(int) []byte { return []byte{1, 2, 3, 4, 5, 6, 7, 8} })
	if err != nil {
		fmt.Println(err)
		return
	}

	f, err := safetensors.Parse(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	t, ok := f.Tensor("position_ids")
	s, err := f.Storage(file.Bytes(), t)
	if !ok || err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Metadata, t.Shape, s.DType, s.Rows, s.Cols, s.Row(3))
	// Output: map[format:pt] [2 2 2] I8 4 2 [7 8]
}

// A file that lies is refused, saying where.
func ExampleParse() {
	header := `{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4]}}`
	file := append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header+"data"...)
	_, err := safetensors.Parse(file)
	fmt.Println(err)
	// Output: safetensors: tensor "w": data_offsets [0, 4] hold 4 bytes, F32 of shape [1000] takes 4000 (at byte 9)
}

// The index of a model in two files says which tensor lies where.
func ExampleParseIndex() {
	x, err := safetensors.ParseIndex([]byte(`{"weight_map": {
		"model.embed_tokens.weight": "model-00001-of-00002.safetensors",
		"model.norm.weight": "model-00002-of-00002.safetensors"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	file, _ := x.File("model.norm.weight")
	fmt.Println(len(x.Files()), file)

	_, err = safetensors.ParseIndex([]byte(`{"weight_map": {"w": "../../home/me/.profile"}}`))
	fmt.Println(err)
	// Output:
	// 2 model-00002-of-00002.safetensors
	// safetensors: tensor "w": file name "../../home/me/.profile" is not a plain name of letters, digits, '-', '_' and '.' (at byte 21)
}
