package richlazy

import (
	"math"
	"math/rand/v2"
	"sync"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/dataset/trial"
)

// task is what a network learns.
type task struct {
	name                   string
	steps, inputs, outputs int
	batch                  int
	iterations             int     // at most
	tail                   int     // the final loss is the mean of so many last iterations
	until                  float64 // the final loss that ends training; 0: none does
	last                   bool    // the loss is of the last step
	fresh                  bool    // no trial comes twice
	learned                func(n int, seed uint64) (dataset.Set, error)
	looked                 func(n int, seed uint64) (dataset.Set, error)
}

// trials is a task whose trials are drawn, of noise 0.1.
func trials(t trial.Task, iterations int) *task {
	return &task{name: t.Name, steps: t.Steps, inputs: t.Inputs, outputs: t.Outputs, batch: 32, iterations: iterations, tail: min(500, iterations), fresh: true,
		learned: t.Set,
		looked:  func(n int, seed uint64) (dataset.Set, error) { return t.Set(n, seed+1<<48) }}
}

const noise = 0.1

var coherences = []float64{0, 6.4, 12.8, 25.6, 51.2}

// final is the final loss of a run.
func (t *task) final(losses []float64) (mean float64) {
	last := losses[max(0, len(losses)-t.tail):]
	for _, l := range last {
		mean += l / float64(len(last))
	}
	return mean
}

// clothes is Fashion-MNIST of half the height and width: 14 steps of rows of 14 pixels,
// and the class at the end. It stands in for the paper's MNIST of 28 steps. Networks learn
// it at such different speeds that training ends at a loss and not at an iteration.
func clothes(iterations int, until float64) *task {
	of := func(part dataset.Part, most int) func(int, uint64) (dataset.Set, error) {
		read := sync.OnceValues(func() (dataset.Set, error) { return dataset.FashionMNIST("", part) })
		return func(n int, seed uint64) (dataset.Set, error) {
			all, err := read()
			if err != nil {
				return nil, err
			}
			var b dataset.Batch
			if err := all.Read(&b, rand.New(rand.NewPCG(seed, 71)).Perm(all.Len())[:min(n, most)]); err != nil {
				return nil, err
			}
			return dataset.NewTable(halve(b.X, 28), []int{14, 14}, b.Labels, 10)
		}
	}
	return &task{name: "rows", steps: 14, inputs: 14, outputs: 10, batch: 100, iterations: iterations, tail: min(100, iterations), until: until, last: true,
		learned: of(dataset.Train, 10000), looked: of(dataset.Test, 1000)}
}

// halve takes the mean of each 2 x 2 pixels of pictures of side x side.
func halve(x []float32, side int) []float32 {
	out := make([]float32, 0, len(x)/4)
	for p := 0; p < len(x); p += side * side {
		for i := p; i < p+side*side; i += 2 * side {
			for j := i; j < i+side; j += 2 {
				out = append(out, (x[j]+x[j+1]+x[j+side]+x[j+side+1])/4)
			}
		}
	}
	return out
}

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }

func norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
