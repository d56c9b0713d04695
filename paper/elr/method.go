package elr

import (
	"fmt"

	"github.com/micaml/mica/learn/elr"
	"github.com/micaml/mica/learn/robust"
	"github.com/micaml/mica/train"
)

// method is a way to learn from labels some of which are wrong.
type method struct {
	name string
	what string
	// settings are those that are tried on the seed that only chooses; their meaning
	// is the method's own.
	settings []float64
	twins    bool // ELR+
	// make returns the criterion for examples whose labels have a noise.
	make func(setting float64, examples, classes int, n noise) (train.Criterion, error)
}

// The regulariser's settings for 10 classes in the paper: lambda 3 and beta 0.7 for
// symmetric noise, 1 and 0.9 for asymmetric. A setting is lambda; beta goes with it.
func betaOf(lambda float64) float32 {
	if lambda <= 1 {
		return 0.9
	}
	return 0.7
}

var lambdas = []float64{1, 3, 5}

var methods = []method{
	{name: "ce", what: "cross-entropy", settings: []float64{0}, make: func(float64, int, int, noise) (train.Criterion, error) {
		return train.CrossEntropy{}, nil
	}},
	{name: "smooth", what: "label smoothing", settings: []float64{0.1, 0.3}, make: func(s float64, _, _ int, _ noise) (train.Criterion, error) {
		return train.CrossEntropy{Smoothing: float32(s)}, nil
	}},
	{name: "bootstrap", what: "soft bootstrap", settings: []float64{0.95, 0.8}, make: func(s float64, _, _ int, _ noise) (train.Criterion, error) {
		return robust.Bootstrap{Weight: float32(s)}, nil
	}},
	{name: "bootstrap-hard", what: "hard bootstrap", settings: []float64{0.8, 0.6}, make: func(s float64, _, _ int, _ noise) (train.Criterion, error) {
		return robust.Bootstrap{Weight: float32(s), Hard: true}, nil
	}},
	{name: "gce", what: "generalized cross-entropy", settings: []float64{0.7, 0.4}, make: func(s float64, _, _ int, _ noise) (train.Criterion, error) {
		return robust.Generalized{Q: float32(s)}, nil
	}},
	{name: "sl", what: "symmetric cross-entropy", settings: []float64{0.1, 6}, make: func(s float64, _, _ int, _ noise) (train.Criterion, error) {
		if s < 1 {
			return robust.Symmetric{A: float32(s), B: 1}, nil
		}
		return robust.Symmetric{A: float32(s), B: 0.1}, nil
	}},
	{name: "forward", what: "forward correction by the true noise matrix", settings: []float64{0}, make: func(_ float64, _, classes int, n noise) (train.Criterion, error) {
		m, err := n.matrix(classes)
		return robust.Forward{Noise: m}, err
	}},
	{name: "elr-kl", what: "ELR's averages as soft labels (the ablation)", settings: lambdas, make: func(s float64, examples, classes int, _ noise) (train.Criterion, error) {
		return elr.New(examples, classes, elr.Settings{Lambda: float32(s), Beta: betaOf(s), Divergence: true})
	}},
	{name: "elr", what: "ELR", settings: lambdas, make: func(s float64, examples, classes int, _ noise) (train.Criterion, error) {
		return elr.New(examples, classes, elr.Settings{Lambda: float32(s), Beta: betaOf(s)})
	}},
	{name: "elr+", what: "ELR+: two networks, averages of their weights, mixup", settings: lambdas, twins: true},
}

func find(name string) method {
	for _, m := range methods {
		if m.name == name {
			return m
		}
	}
	panic(fmt.Sprintf("elr: no method %q", name))
}
