package head_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/learn/head"
)

// The fixed head weighs coordinates less and less; the one that begins as the identity
// changes nothing until it has learnt.
func Example() {
	z := []float32{1, 1, -2, 4}
	for _, s := range []head.Settings{{Kind: head.Fixed, In: 4, Kappa: 2}, {Kind: head.Identity, In: 4}} {
		h, err := head.New(rand.New(rand.NewPCG(1, 1)), "head", s)
		if err != nil {
			panic(err)
		}
		y, err := head.Project(h, z)
		if err != nil {
			panic(err)
		}
		fmt.Println(s.Kind, y)
	}
	// Output:
	// fixed [1 0.5 -0.5 0.5]
	// identity [1 1 -2 4]
}
