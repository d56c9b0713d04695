package elr

import (
	"fmt"
	"math"
)

func final(h history) float64     { return h.last().Test }
func memorized(h history) float64 { return h.last().Memorized }

// of is the mean of a measure.
func (x *experiment) of(n noise, method string, f func(history) float64) float64 {
	m, _ := mean(x.runs[cell{n.name, method}], f)
	return m
}

// judge gives the verdicts.
func (x *experiment) judge() {
	x.judgeLinear()
	x.judgeClusters()

	forty := noises[1]
	ce, regularized := x.of(forty, "ce", memorized), x.of(forty, "elr", memorized)
	x.r.Judge("ce-memorizes", ce, ce > memorizes, "mean of the seeds")
	x.r.Judge("elr-resists", regularized, regularized < resists, "mean of the seeds")

	best, least, corrected := math.Inf(1), math.Inf(1), math.Inf(1)
	lost, against := 0, ""
	plus := 0.0
	for _, n := range x.noises {
		own := x.of(n, "elr", final)
		best = min(best, own-x.of(n, "ce", history.best))
		least = min(least, own-x.of(n, "ce", final))
		for _, b := range []string{"smooth", "bootstrap", "bootstrap-hard", "gce", "sl"} {
			if x.of(n, b, final) > own {
				lost++
				against += fmt.Sprintf(", %s by %.1f points (%s)", b, 100*(x.of(n, b, final)-own), n)
			}
		}
		plus += (x.of(n, "elr+", final) - own) / float64(len(x.noises))
		right, _ := mean(x.runs[cell{n.name, "elr"}], func(h history) float64 { return h.Corrected })
		corrected = min(corrected, right-(1-n.wrong()))
	}
	x.r.Judge("elr-best", 100*best, best >= 0, "means of the seeds")
	x.r.Judge("elr-gain", 100*least, least > gain, "means of the seeds")
	note := "forward correction, which is told the noise, isn't counted"
	if lost > 0 {
		note = "lost against" + against[1:] + "; " + note
	}
	x.r.Judge("baselines", float64(lost), lost == 0, note)
	difference := x.of(forty, "elr", final) - x.of(forty, "elr-kl", final)
	x.r.Judge("ablation", 100*difference, difference >= apart, fmt.Sprintf("it memorizes %.2f of the wrong labels", x.of(forty, "elr-kl", memorized)))
	f1 := x.of(forty, "elr", func(h history) float64 {
		return 2 * h.Precision * h.Recall / max(h.Precision+h.Recall, 1e-9)
	})
	x.r.Judge("detector", f1, f1 >= detects, fmt.Sprintf("precision %.2f, recall %.2f",
		x.of(forty, "elr", func(h history) float64 { return h.Precision }), x.of(forty, "elr", func(h history) float64 { return h.Recall })))
	x.r.Judge("corrector", 100*corrected, corrected > 0, "")
	x.r.Judge("plus", 100*plus, plus >= 0, "")
}

// wrong is the share of labels that a noise makes wrong.
func (n noise) wrong() float64 {
	if n.flips == nil {
		return n.rate * 0.9
	}
	return n.rate * float64(len(n.flips)) / 10
}

func (x *experiment) judgeLinear() {
	early, memorizedLeast, kept := 1.0, 1.0, 0.0
	for trial := range x.seeds {
		plain, term := x.linear[0][trial], x.linear[3][trial]
		early = min(early, at(plain, 3).Recovered)
		memorizedLeast = min(memorizedLeast, at(plain, x.steps).Memorized)
		kept = max(kept, at(term, x.steps).Memorized)
	}
	x.r.Judge("linear-early", memorizedLeast, early > 0.95 && memorizedLeast > memorizes, fmt.Sprintf("%.2f predicted right after 3 steps", early))
	x.r.Judge("linear-elr", kept, kept < resists, "")
}

func (x *experiment) judgeClusters() {
	ce, _ := mean(x.cluster["ce"], memorized)
	term, _ := mean(x.cluster["elr"], memorized)
	top, _ := mean(x.cluster["ce"], history.best)
	end, _ := mean(x.cluster["elr"], final)
	last, _ := mean(x.cluster["ce"], final)
	x.r.Judge("clusters", term, term < resists && ce > memorizes && end >= top,
		fmt.Sprintf("cross-entropy memorizes %.2f; test accuracy: ELR ends at %.3f, cross-entropy at %.3f, in its best epoch %.3f", ce, end, last, top))
}
