package gguf_test

import (
	"bytes"
	"fmt"

	"github.com/micaml/mica/format/gguf"
)

// Write a file of one tensor, read it back and use its numbers in place.
func Example() {
	meta := new(gguf.Meta)
	if err := meta.Set("general.architecture", "llama"); err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	err := gguf.Encode(&file, &gguf.File{
		Meta:    meta,
		Tensors: []gguf.Tensor{{Name: "output_norm.weight", Type: gguf.I8, Dims: []uint64{4, 2}}},
	}, func(i int) []byte { return []byte{1, 2, 3, 4, 5, 6, 7, 8} })
	if err != nil {
		fmt.Println(err)
		return
	}

	f, err := gguf.Parse(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	arch, err := f.Meta.String("general.architecture")
	if err != nil {
		fmt.Println(err)
		return
	}
	t, ok := f.Tensor("output_norm.weight")
	s, err := f.Storage(file.Bytes(), t)
	if !ok || err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(arch, s.DType, s.Rows, s.Cols, s.Row(1))
	// Output: llama I8 2 4 [5 6 7 8]
}

// A file that lies is refused, saying where.
func ExampleParse() {
	file := append([]byte("GGUF\x03\x00\x00\x00"), make([]byte, 16)...)
	file[16] = 200 // keys
	_, err := gguf.Parse(bytes.NewReader(file), int64(len(file)))
	fmt.Println(err)
	// Output: gguf: header: key count 200 needs more than the 0 bytes left (at byte 16)
}
