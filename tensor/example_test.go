package tensor_test

import (
	"fmt"

	"github.com/micaml/mica/tensor"
)

// Quantise one row to 8 bits and read it back.
func Example() {
	x := make([]float32, 32)
	for i := range x {
		x[i] = float32(i) / 8
	}
	s, err := tensor.Quantize(tensor.Q8_0, 1, 32, x)
	if err != nil {
		fmt.Println(err)
		return
	}
	y := make([]float32, 32)
	if err := s.DequantRow(0, y); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v, %d bytes: %.3f became %.3f\n", s.DType, len(s.Bytes()), x[5], y[5])
	// Output: Q8_0, 34 bytes: 0.625 became 0.610
}

// What a file declares is compared with what it holds.
func ExampleNewStorage() {
	_, err := tensor.NewStorage(tensor.F32, 1000, 1000, make([]byte, 4096))
	fmt.Println(err)
	// Output: tensor of 1000 x 1000 F32 takes 4000000 bytes, have 4096
}
