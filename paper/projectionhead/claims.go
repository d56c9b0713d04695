package projectionhead

import "github.com/micaml/mica/paper"

// The thresholds of the verdicts, fixed before the first full run. Those of the theory
// and of the fixed head are the specification's.
const (
	reached    = 1e-4 // of the end-to-end weights
	nearRoot   = 0.03 // of the first layer's, from starts of deviation 0.1
	nearPower  = 1e-3 // of every layer's, from balanced starts
	nearTable  = 0.02 // of the few-shot accuracies: two digits are given
	comparable = 0.02 // of accuracy are no difference between heads
	even       = 0.01 // of accuracy are no difference after whitening
)

const tooLarge = "needs ResNet-50 on hundreds of thousands of pictures, which is weeks on two cores"

var claims = []paper.Claim{
	{ID: "heads-exact", Text: "before training, the head that begins as the identity and the fixed head with kappa = 1 give the loss of no head bit for bit",
		Paper: "by construction (the released code)", Unit: "losses that differ", Exact: true},
	{ID: "linear-end", Text: "gradient descent brings the end-to-end weights of the linear model to phi/(phi²+sigma²) within 1e-4",
		Paper: "0.5000, 0.7692, 0.8333, 0.8000, 0.6667, 0.5479", Unit: "off at most"},
	{ID: "linear-first", Text: "the weights of the first of two layers are within 0.03 of the roots of those, from starts of deviation 0.1",
		Paper: "0.707, 0.877, 0.913, 0.894, 0.816, 0.740", Unit: "off at most"},
	{ID: "linear-depth", Text: "in balanced networks of 2, 3 and 4 layers the weight after layer l is s^(l/L) within 1e-3",
		Paper: "section 4: features are shared out over the depth", Unit: "off at most"},
	{ID: "linear-order", Text: "in them the ratio of the largest to the smallest weight never falls from a layer to the next",
		Paper: "the deeper the layer, the more unequal the features", Unit: "layers where it falls"},
	{ID: "linear-balance", Text: "the drift of W1 W1ᵀ - W2ᵀ W2 under gradient descent is of the order of the rate: halving it halves the drift within a tenth",
		Paper: "gradient flow conserves it", Unit: "times the drift of half the rate"},
	{ID: "linear-saddle", Text: "a start of deviation 0.02 leaves the two weakest of six features near 0 after 200,000 steps",
		Paper: "none; the specification's run", Unit: "features below a tenth of their weight, the mean of the seeds"},
	{ID: "linear-decay", Text: "weight decay of 0.01 removes the weakest feature from both layers",
		Paper: "weight decay shrinks the advantage", Unit: "its largest weight in any layer"},
	{ID: "few-table", Text: "the few-shot accuracies before and after the projection are those of the specification within 0.02",
		Paper: "before 0.51, 0.54, 0.62, 0.75, 0.96, 1.00; after 0.50, 0.54, 0.63, 0.76, 0.87, 0.89", Unit: "off at most"},
	{ID: "few-sign", Text: "wherever the few-shot accuracies differ, the one before the projection is higher if and only if s_j is below the weighted mean",
		Paper: "theorem of section 4", Unit: "cells against it"},
	{ID: "few-extremes", Text: "a feature that is strong, or that augmentation disrupts much, gains more than one of strength 1 and noise 0.6",
		Paper: "the largest gap for disrupted, very weak or very strong features", Unit: "points of accuracy, the smaller of the two"},
	{ID: "digits-pre", Text: "digits on textures, MLP head: the digit is read better before than after the head, in the mean over all settings",
		Paper: "before is better", Unit: "points of accuracy"},
	{ID: "digits-drop", Text: "that gap is larger where views lose their digit with probability 0.8 and 1 than with 0 and 0.2",
		Paper: "the largest gap when augmentation drops the digit often", Unit: "points of accuracy"},
	{ID: "digits-strength", Text: "and larger for a digit of strength 0.2 and one of strength 2 than in between",
		Paper: "the largest gap when the digit is very weak or very strong", Unit: "points of accuracy, the smaller of the two"},
	{ID: "digits-none", Text: "before the MLP head it is read better than from a network without a head, in the mean over all settings",
		Paper: "before is better", Unit: "points of accuracy"},
	{ID: "digits-fixed", Text: "before the fixed head it is read no more than 2 points worse than before the MLP head, in the mean over all settings",
		Paper: "comparable to the trained head", Unit: "points of accuracy"},
	{ID: "whitening", Text: "whitening leaves less than a point of the gap of a linear head",
		Paper: "none; the specification: it removes the gap of linear features", Unit: "points of accuracy"},
	{ID: "coarse-scl", Text: "coarse labels, supervised contrastive, MLP head: fine classes are read better before than after the head",
		Paper: "before is better on CIFAR-100 (coarse to fine)", Unit: "points of accuracy"},
	{ID: "coarse-sl", Text: "coarse labels, cross-entropy, MLP head: fine classes are read better before than after the head",
		Paper: "before is better on CIFAR-100 (coarse to fine)", Unit: "points of accuracy"},
	{ID: "coarse-none", Text: "and with both losses better than from a network without a head",
		Paper: "before is better", Unit: "points of accuracy, the smaller of the two"},
	{ID: "spurious-scl", Text: "spurious colour, supervised contrastive, MLP head: the worst group after retraining is better before than after the head",
		Paper: "before is better on UrbanCars", Unit: "points of accuracy"},
	{ID: "spurious-sl", Text: "spurious colour, cross-entropy, MLP head: the worst group after retraining is better before than after the head",
		Paper: "before is better on UrbanCars", Unit: "points of accuracy"},
	{ID: "spurious-none", Text: "and with both losses better than from a network without a head",
		Paper: "nearly the same on waterbirds with cross-entropy", Unit: "points of accuracy, the smaller of the two"},
	{ID: "spurious-fixed", Text: "with both losses the fixed head is no more than 2 points worse than the MLP head",
		Paper: "comparable to the trained head", Unit: "points of accuracy, the smaller of the two"},
	{ID: "cifar", Text: "on CIFAR-10 and CIFAR-100 the representation before the head is better than after it",
		Paper: "before is better", Why: tooLarge},
	{ID: "groups", Text: "on UrbanCars, waterbirds and CelebA retraining before the head has the better worst group",
		Paper: "before is better or equal", Why: tooLarge},
	{ID: "imagenet", Text: "on ImageNet-9, -R and -A a probe before the head is more robust",
		Paper: "before is better", Why: tooLarge},
}
