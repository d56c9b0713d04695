package probe_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/look/probe"
)

// A strong feature and a weak one: what is weak can be read with many examples.
func Example() {
	rng := rand.New(rand.NewPCG(1, 1))
	draw := func(n int) *probe.Data {
		d := &probe.Data{Width: 2, Classes: 2}
		for range n {
			label := rng.IntN(2)
			d.Labels = append(d.Labels, int32(label))
			d.X = append(d.X, float32(rng.NormFloat64()), 0.1*float32(2*label-1))
		}
		return d
	}
	p, err := probe.Logistic(draw(200), probe.Penalty{L2: 1e-4})
	if err != nil {
		panic(err)
	}
	s, err := p.Score(draw(1000))
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Accuracy > 0.99)
	// Output: true
}
