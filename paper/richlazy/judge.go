package richlazy

import (
	"fmt"
	"math"
)

func tangent(o outcome) float64 { return o.Tangent }
func moved(o outcome) float64   { return o.Moved }
func states(o outcome) float64  { return o.States }

// judge gives the verdicts.
func (x *experiment) judge() {
	x.judgeTheory()
	for _, name := range []string{"2AF", "DMS", "CXT", "rows"} {
		ids := []string{name + "-tangent", name + "-weights", name + "-states"}
		if name == "rows" && x.noRows != nil {
			for _, id := range ids {
				x.r.Undecided(id, math.NaN(), x.noRows.Error(), "")
			}
			continue
		}
		for _, t := range x.tasks {
			if t.name == name {
				x.verdict(ids[0], x.order(name, x.ranked(t), func(a arm) float64 { return float64(a.rank) }, tangent))
			}
		}
		x.verdict(ids[1], x.difference(name, "rank 1", fullRank, moved))
		x.verdict(ids[2], x.difference(name, fullRank, "rank 1", states))
	}
	var gains []arm
	for _, a := range x.arms {
		if a.gain > 0 {
			gains = append(gains, a)
		}
	}
	x.verdict("gain", x.order("2AF", gains, func(a arm) float64 { return a.gain }, tangent))
	x.verdict("same-largest", x.difference("2AF", fullRank, "rank 1, stretched", tangent))
	x.judgeStructure()
	var kept []float64
	for s, f := range x.forgot[fullRank] {
		kept = append(kept, 100*(f.After-x.forgot["rank 1"][s].After))
	}
	e := effectOf(kept, x.seeds)
	x.r.Judge("forgetting", e.mean, e.low > 0, e.String())
}

// verdict judges an effect that is claimed to be above 0.
func (x *experiment) verdict(id string, e effect) {
	if 2*e.n < e.of {
		x.r.Undecided(id, e.mean, "too few final losses agree", e.String())
		return
	}
	x.r.Judge(id, e.mean, e.low > 0, e.String())
}

func (x *experiment) judgeStructure() {
	most, least, clear, few := 0.0, math.Inf(1), true, 0
	note := ""
	for _, name := range structured {
		for s, o := range x.runs[cell{"2AF", name}] {
			most = max(most, o.Entropy/x.runs[cell{"2AF", fullRank}][s].Entropy)
		}
		e := x.difference("2AF", fullRank, name, tangent)
		if least = min(least, e.mean); 2*e.n < e.of {
			few++
		}
		clear = clear && e.low > 0
		note += fmt.Sprintf(", %s %.3f (%s)", name, e.mean, e)
	}
	x.r.Judge("structure-rank", most, most < 1, "")
	if few > 0 {
		x.r.Undecided("structure-rich", least, "too few final losses agree", note[2:])
		return
	}
	x.r.Judge("structure-rich", least, clear, note[2:])
}

// linearMean is the mean of what f sees in the linear theory.
func linearMean(points []linearPoint, f func(linearPoint) float64) (mean float64) {
	for _, p := range points {
		mean += f(p) / float64(len(points))
	}
	return mean
}

func linearTangent(p linearPoint) float64 { return p.Tangent }
func linearMoved(p linearPoint) float64   { return p.Moved }

func (x *experiment) judgeTheory() {
	tangent := func(how string, size float64) float64 { return linearMean(x.byNorm[point{how, size}], linearTangent) }
	rise, fall, lowest, aligned := math.Inf(1), math.Inf(1), 1.0, math.Inf(1)
	for _, size := range norms {
		for i, how := range theories[:5] {
			if size == 4 {
				lowest = min(lowest, tangent(how.name, size))
			}
			if i > 0 && size <= 1 {
				before := theories[i-1].name
				rise = min(rise, tangent(how.name, size)-tangent(before, size))
				fall = min(fall, linearMean(x.byNorm[point{before, size}], linearMoved)-linearMean(x.byNorm[point{how.name, size}], linearMoved))
			}
		}
		aligned = min(aligned, tangent("aligned", size)-tangent("rank 1", size))
	}
	note := fmt.Sprintf("%d targets", x.targets)
	x.r.Judge("theory-rank", rise, rise > 0, note)
	x.r.Judge("theory-weights", fall, fall > 0, note)
	gap := tangent("rank 20", 4) - tangent("rank 1", 4)
	x.r.Judge("theory-large", gap, lowest > 0.8 && math.Abs(gap) <= tie, fmt.Sprintf("the lowest mean is %.3f", lowest))
	x.r.Judge("theory-aligned", aligned, aligned > 0, note)

	kappa := func(how string, k float64) float64 { return linearMean(x.byKappa[point{how, k}], linearTangent) }
	rises := true
	for i, k := range kappas[1:] {
		rises = rises && kappa("partly aligned", k) > kappa("partly aligned", kappas[i])
	}
	last := kappas[len(kappas)-1]
	below := kappa("aligned", last) - kappa("partly aligned", last)
	x.r.Judge("theory-kappa", below, rises && below <= tie, note)
}
