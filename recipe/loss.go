package recipe

import (
	"github.com/micaml/mica/learn/elr"
	"github.com/micaml/mica/learn/robust"
	"github.com/micaml/mica/train"
)

// makeLoss makes a criterion for so many examples in classes.
type makeLoss func(p params, examples, classes int) (train.Criterion, error)

// losses is the one table of losses.
var losses = table[makeLoss]{
	{"cross_entropy", "the mean of -log p(label)", []param{{"smoothing", 0, 0, 0.99, false}},
		func(p params, _, _ int) (train.Criterion, error) {
			return train.CrossEntropy{Smoothing: p.f32("smoothing")}, nil
		}},
	{"elr", "early-learning regularization, for labels of which some are wrong", elrParams,
		func(p params, examples, classes int) (train.Criterion, error) {
			return newELR(p, examples, classes, false)
		}},
	{"elr-kl", "its variant with a divergence, which the paper says fails", elrParams,
		func(p params, examples, classes int) (train.Criterion, error) {
			return newELR(p, examples, classes, true)
		}},
	{"bootstrap", "against a mixture of the label and of what the network says", []param{{"weight", 0.95, 0, 1, false}},
		func(p params, _, _ int) (train.Criterion, error) {
			return robust.Bootstrap{Weight: p.f32("weight")}, nil
		}},
	{"bootstrap-hard", "likewise with the likeliest class", []param{{"weight", 0.8, 0, 1, false}},
		func(p params, _, _ int) (train.Criterion, error) {
			return robust.Bootstrap{Weight: p.f32("weight"), Hard: true}, nil
		}},
	{"generalized", "(1 - p^q)/q, between cross-entropy and absolute error", []param{{"q", 0.7, 0.001, 1, false}},
		func(p params, _, _ int) (train.Criterion, error) { return robust.Generalized{Q: p.f32("q")}, nil }},
	{"symmetric", "a times cross-entropy and b times the reverse one", []param{{"a", 0.1, 0, 1e6, false}, {"b", 1, 0, 1e6, false}},
		func(p params, _, _ int) (train.Criterion, error) {
			return robust.Symmetric{A: p.f32("a"), B: p.f32("b")}, nil
		}},
	{"forward", "cross-entropy through what labels drawn anew at this rate make of the probabilities", []param{{"rate", must, 0, 1, false}},
		func(p params, _, classes int) (train.Criterion, error) {
			noise, err := robust.SymmetricNoise(classes, p["rate"])
			return robust.Forward{Noise: noise}, err
		}},
}

var elrParams = []param{{"lambda", 3, 0, 1e6, false}, {"beta", 0.7, 0, 0.9999, false}}

func newELR(p params, examples, classes int, divergence bool) (train.Criterion, error) {
	return elr.New(examples, classes, elr.Settings{Lambda: p.f32("lambda"), Beta: p.f32("beta"), Divergence: divergence})
}
