package richlazy

import (
	"fmt"

	"github.com/micaml/mica/paper"
)

// The thresholds of the verdicts, fixed before the first full run. An effect holds if the
// 95 % interval of its mean over seeds lies above 0; only runs are compared whose final
// losses agree, and half of the seeds must have such.
const (
	agreeing  = 0.05  // final losses differ by at most this share
	perfect   = 0.001 // or by this many nats, where a task is learnt to almost none
	tie       = 0.05  // of alignment
	bootstrap = 10000
)

const directions = "figures: Delta W falls, RA and TKA rise with the rank"

var claims = append([]paper.Claim{
	{ID: "rate-0", Text: "with a learning rate of 0 the recurrent matrix doesn't change, and the alignments of states and tangent kernels and the shared signs are 1",
		Paper: "by definition", Unit: "the most that anything is off", Exact: true},
	{ID: "readout-only", Text: "if the readout alone learns, states, their signs and the readout's tangent kernel don't change",
		Paper: "by definition: the perfectly lazy bound", Unit: "the most that anything is off", Exact: true},
	{ID: "theory-rank", Text: "in the linear theory the mean alignment of tangent kernels rises with every rank from 1 to 20 if W1's norm is 0.5 or 1 and the target's is 1",
		Paper: "theorem 1; the specification's check: 0.22 to 0.80 and 0.23 to 0.81", Unit: "the least rise from a rank to the next"},
	{ID: "theory-weights", Text: "and the mean change of W1 falls with every rank",
		Paper: "the specification's check: 1.09 to 0.90 and 1.37 to 0.81", Unit: "the least fall from a rank to the next"},
	{ID: "theory-large", Text: "at norm 4 everything is lazy: the mean alignment is above 0.8 for every rank, and rank 1's is within 0.05 of full rank's",
		Paper: "none; the specification's check: 0.88 to 0.96, and 0.96 against 0.96", Unit: "alignment, full rank less rank 1"},
	{ID: "theory-aligned", Text: "rank 1 along the target is lazier than random rank 1 at every norm",
		Paper: "proposition 1; the specification's check: by 0.04 to 0.41", Unit: "of alignment, the least mean difference"},
	{ID: "theory-kappa", Text: "rank 1 along the half of the features that kappa stretches gets lazier with every kappa from 1 to 64, up to within 0.05 of rank 1 along the target",
		Paper: "figure; no number", Unit: "of alignment below it at kappa 64"},
}, append(byRank(), []paper.Claim{
	{ID: "gain", Text: "on 2AF a larger gain makes full rank lazier: Spearman's correlation of the gain and the alignment of tangent kernels is above 0",
		Paper: "known before the paper", Unit: "mean correlation"},
	{ID: "same-largest", Text: "on 2AF rank 1 is richer than full rank even with the same largest singular value instead of the same norm",
		Paper: "none; a baseline", Unit: "of tangent alignment, full rank less rank 1"},
	{ID: "structure-rank", Text: "cell types, chains and Dale's law have a lower effective rank (exp of the entropy of singular values) than the normal matrix of the same norm, in every seed",
		Paper: "figure; from measured connectivity", Unit: "of the normal matrix's, the most"},
	{ID: "structure-rich", Text: "on 2AF each of the three is richer than the normal matrix",
		Paper: "figure; from measured connectivity", Unit: "of tangent alignment, the least mean difference"},
	{ID: "forgetting", Text: "extension: after DMS is learnt, networks that began with full rank know more of 2AF than those that began with rank 1",
		Paper: "discussed, not measured", Unit: "points of accuracy, mean"},
	{ID: "connectome", Text: "measured connectomes have a low effective rank and learn richly",
		Paper: "figure", Unit: "", Why: "no measured connectome is at hand; wiring.ReadCSV reads one"},
	{ID: "smnist", Text: "on sequential MNIST the change of the weights falls and the alignments rise with the rank",
		Paper: "figure", Unit: "", Why: "MNIST isn't at hand; rows of Fashion-MNIST stand in for it"},
	{ID: "size", Text: "the same with 300 units and 10,000 iterations",
		Paper: "all figures", Unit: "", Why: "takes more than an hour on two cores"},
}...)...)

// byRank are three claims for each task.
func byRank() (all []paper.Claim) {
	for _, t := range [][2]string{{"2AF", "2AF"}, {"DMS", "DMS"}, {"CXT", "CXT"}, {"rows", "rows of Fashion-MNIST"}} {
		all = append(all,
			paper.Claim{ID: t[0] + "-tangent", Text: fmt.Sprintf("on %s Spearman's correlation of the rank and the alignment of tangent kernels is above 0", t[1]),
				Paper: directions, Unit: "mean correlation"},
			paper.Claim{ID: t[0] + "-weights", Text: fmt.Sprintf("on %s the recurrent matrix changes more from rank 1 than from full rank", t[1]),
				Paper: directions, Unit: "mean difference of |Delta W|"},
			paper.Claim{ID: t[0] + "-states", Text: fmt.Sprintf("on %s the states stay more aligned from full rank than from rank 1", t[1]),
				Paper: directions, Unit: "mean difference of alignment"})
	}
	return all
}
