package lens_test

import (
	"context"
	"fmt"

	"github.com/micaml/mica/look/lens"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// What a network of random weights would say after each of its layers: as the
// lens comes closer to the last one, the distance to what it says goes to 0.
func Example() {
	net, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 3, Width: 32, Heads: 2, KVHeads: 1, HeadDim: 16,
		MLP: 64, Vocabulary: 50, RopeBase: 10000, RopeDim: 16, Eps: 1e-5}, tensor.F32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(net, pass.Options{Threads: 1})
	defer eng.Close()

	layers, err := lens.Look(context.Background(), eng, pass.NewSeq(7, 8, 9), lens.Options{Top: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	last := len(layers[0].KL) - 1
	for _, l := range layers {
		fmt.Printf("layer %d: %d guesses, the final answer is near: %v\n", l.Layer, len(l.Top[last]), l.KL[last] < 1e-6)
	}
	// Output:
	// layer 0: 2 guesses, the final answer is near: false
	// layer 1: 2 guesses, the final answer is near: false
	// layer 2: 2 guesses, the final answer is near: true
}
