package elr

import (
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
)

// clusters is the specification's generator of made-up examples: in each of 10 classes
// 3 centres, normal in 64 dimensions, and around them points with a deviation.
func clusters(seed uint64, n int, deviation float64) (x []float32, labels []int32) {
	centres := make([][]float64, 30)
	rng := rand.New(rand.NewPCG(seed, 31))
	for i := range centres {
		for range 64 {
			centres[i] = append(centres[i], rng.NormFloat64())
		}
	}
	for range n {
		class, which := rng.IntN(10), rng.IntN(3)
		for _, m := range centres[3*class+which] {
			x = append(x, float32(m+deviation*rng.NormFloat64()))
		}
		labels = append(labels, int32(class))
	}
	return x, labels
}

func newTable(x []float32, labels []int32) (dataset.Set, error) {
	return dataset.NewTable(x, []int{64}, labels, 10)
}

// clusterTask is the clusters with 40 % symmetric noise: 1,500 points to learn from,
// of which none are held out, and 1,000 to test on.
func clusterTask(seed uint64, deviation float64, n noise) (*task, error) {
	x, labels := clusters(seed, 2650, deviation)
	all, err := newTable(x, labels)
	if err != nil {
		return nil, err
	}
	return cut(all, labels, 1500, 150, 1000, 10, seed, n)
}

// cut makes a task of a set: the first examples are learned, then come those that
// settings are chosen by, then the test.
func cut(all dataset.Set, labels []int32, learned, held, test, classes int, seed uint64, n noise) (*task, error) {
	t := &task{noise: n, classes: classes}
	rng := rand.New(rand.NewPCG(seed, 41))
	from := 0
	part := func(count int) (dataset.Set, []int32, error) {
		index := make([]int, count)
		for i := range index {
			index[i] = from + i
		}
		s, err := dataset.Subset(all, index)
		right := labels[from : from+count]
		from += count
		return s, right, err
	}
	s, right, err := part(learned)
	if err != nil {
		return nil, err
	}
	t.truth, t.given = right, n.apply(right, classes, rng)
	if t.learned, err = dataset.Relabel(s, t.given, classes); err != nil {
		return nil, err
	}
	if s, right, err = part(held); err != nil {
		return nil, err
	}
	if t.held, err = dataset.Relabel(s, n.apply(right, classes, rng), classes); err != nil {
		return nil, err
	}
	t.test, _, err = part(test)
	return t, err
}

// fashion is Fashion-MNIST: 5,400 pictures to learn from and 600 held out, drawn by the
// seed from the 60,000, and 2,000 of its test pictures.
func fashion(seed uint64, n noise) (*task, error) {
	train, err := dataset.FashionMNIST("", dataset.Train)
	if err != nil {
		return nil, err
	}
	test, err := dataset.FashionMNIST("", dataset.Test)
	if err != nil {
		return nil, err
	}
	var b dataset.Batch
	rng := rand.New(rand.NewPCG(seed, 51))
	if err := train.Read(&b, rng.Perm(train.Len())[:6000]); err != nil {
		return nil, err
	}
	if err := test.Read(&b, rng.Perm(test.Len())[:2000]); err != nil {
		return nil, err
	}
	// Mean and deviation of the pixels of all training pictures, as is usual.
	for i, x := range b.X {
		b.X[i] = (x - 0.286) / 0.353
	}
	all, err := dataset.NewTable(b.X, train.Dims(), b.Labels, train.Classes())
	if err != nil {
		return nil, err
	}
	return cut(all, b.Labels, 5400, 600, 2000, train.Classes(), seed, n)
}
