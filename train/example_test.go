package train_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// A perceptron learns which of two numbers is greater.
func Example() {
	set := dataset.Make(1000, []int{2}, 2, func(b *dataset.Batch, i int) error {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		x, y := rng.Float32(), rng.Float32()
		class := int32(0)
		if y > x {
			class = 1
		}
		b.X, b.Labels = append(b.X, x, y), append(b.Labels, class)
		return nil
	})
	learned, held, err := dataset.Split(set, 0.2, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := vision.NewMLP(rand.New(rand.NewPCG(1, 1)), vision.MLP{Inputs: 2, Hidden: []int{16}, Classes: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(n, pass.Options{})
	defer eng.Close()
	task := &train.Classifier{Engine: eng, Trained: nn.Train(n)}
	data, err := dataset.NewLoader(learned, dataset.Options{Batch: 32, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer data.Close()
	opt, err := optim.New(eng.Pool(), optim.Adam{}, task.Trained)
	if err != nil {
		fmt.Println(err)
		return
	}
	loop, err := train.New(task, data, opt, train.Options{Steps: 300, Rate: optim.Cosine{From: 0.02, Steps: 300}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := loop.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	m, err := task.Accuracy(ctx, held, 100)
	fmt.Println(m["accuracy"] > 0.95, err)
	// Output: true <nil>
}
