package wiring_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/nn/wiring"
	"gonum.org/v1/gonum/mat"
)

// A matrix of rank 2 that is as large as the one that it is made from.
func Example() {
	w, err := wiring.Normal(rand.New(rand.NewPCG(1, 1)), 16, 1.25)
	if err != nil {
		fmt.Println(err)
		return
	}
	low, err := wiring.Rank(w, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	var svd mat.SVD
	svd.Factorize(low, mat.SVDNone)
	fmt.Println("rank", svd.Rank(1e-10))
	fmt.Printf("size %.3f of the first's\n", mat.Norm(low, 2)/mat.Norm(w, 2))
	weight := wiring.Weight("rnn.weight", low)
	fmt.Println(weight.Name, weight.Rows, weight.Cols)
	// Output:
	// rank 2
	// size 1.000 of the first's
	// rnn.weight 16 16
}
