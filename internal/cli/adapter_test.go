package cli

import (
	"math/rand/v2"

	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/tensor"
)

// writeAdapter writes an adapter of the tiny model that changes its answers.
func writeAdapter(dir string) error {
	base, err := lm.NewRandom(tinymodel.Config, tensor.F32, 1)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	a, err := lora.New(base, lora.Settings{Rank: 4}, rng)
	if err != nil {
		return err
	}
	a.Base = "tiny"
	for _, w := range a.Weights() {
		x, _ := w.F32()
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
	}
	return a.Save(dir)
}
