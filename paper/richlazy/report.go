package richlazy

import (
	"fmt"
	"strings"

	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/plot"
	"gonum.org/v1/gonum/stat"
)

// before says what was known when the stored run was made.
const before = "A first full run, of the same claims and thresholds, came before this one. In it chains " +
	"and cell types exploded and structure-rich was undecided. Having seen that, we weakened " +
	"both, gave each structure a learning rate of its own, shortened the choice of rates to a " +
	"third of the iterations, and ran the baselines on 2AF alone. The verdicts on rank, theory, " +
	"gain, norm and forgetting were the same; structure-rich went from undecided to does not " +
	"hold. The rates chosen for ranks are 0.03, the largest that was tried and ten times the " +
	"paper's."

// column is a measure of a table.
type column struct {
	head   string
	format string
	of     func(outcome) float64
}

var measures = []column{
	{"final loss", "%.4f", func(o outcome) float64 { return o.Final }},
	{"accuracy, %", "%.1f", func(o outcome) float64 { return 100 * o.Accuracy }},
	{"|Delta W|", "%.2f", moved},
	{"of |W|", "%.3f", func(o outcome) float64 { return o.Moved / max(o.Norm, 1e-30) }},
	{"TKA", "%.3f", tangent},
	{"RA", "%.3f", states},
	{"RA, centred", "%.3f", func(o outcome) float64 { return o.Centred }},
	{"same sign", "%.3f", func(o outcome) float64 { return o.Sign }},
}

var spectra = []column{
	{"|W|", "%.2f", func(o outcome) float64 { return o.Norm }},
	{"largest singular value", "%.2f", func(o outcome) float64 { return o.Largest }},
	{"spectral radius", "%.2f", func(o outcome) float64 { return o.Radius }},
	{"exp entropy", "%.1f", func(o outcome) float64 { return o.Entropy }},
	{"participation", "%.1f", func(o outcome) float64 { return o.Partic }},
	{"stable rank", "%.1f", func(o outcome) float64 { return o.Stable }},
}

// summary is the mean and the standard deviation of a measure over the seeds that did
// not fail.
func (x *experiment) summary(at cell, f func(outcome) float64) (mean, sd float64, n int) {
	var values []float64
	for _, o := range x.runs[at] {
		if o.Failed == "" {
			values = append(values, f(o))
		}
	}
	switch len(values) {
	case 0:
		return 0, 0, 0
	case 1:
		return values[0], 0, 1
	}
	mean, sd = stat.MeanStdDev(values, nil)
	return mean, sd, len(values)
}

func (x *experiment) row(task string, a arm, columns []column) []string {
	row := []string{a.name}
	_, _, n := x.summary(cell{task, a.name}, tangent)
	if n < x.seeds {
		row[0] += fmt.Sprintf(" (%d of %d seeds failed)", x.seeds-n, x.seeds)
	}
	for _, c := range columns {
		mean, sd, n := x.summary(cell{task, a.name}, c.of)
		if n == 0 {
			row = append(row, "")
			continue
		}
		row = append(row, fmt.Sprintf(c.format+" ± "+c.format, mean, sd))
	}
	return row
}

func heads(first string, columns []column) []string {
	head := []string{first}
	for _, c := range columns {
		head = append(head, " "+c.head)
	}
	return head
}

// report writes tables and pictures.
func (x *experiment) report() error {
	var rates []string
	for _, t := range x.tasks {
		rates = append(rates, fmt.Sprintf("%s %g", t.name, x.rate[cell{t.name, fullRank}]))
	}
	x.r.Section(paper.Section{Title: "The run before", Text: before})
	x.r.Section(paper.Section{Title: "What was learned", Text: fmt.Sprintf(
		"Networks h' = ReLU(Wx x + Wh h), y = Wo h of %d units. The trials of 2AF, DMS and CXT are synthetic: eight steps, noise of %g, %d iterations of 32 new trials. "+
			"\"rows\" is Fashion-MNIST of half the height and width, a row of 14 pixels a step, 10,000 pictures in batches of 100, until the mean loss of the last 100 iterations is %g, at most %d iterations. "+
			"SGD with momentum 0.9; the rate, of %v, is that with the lowest loss after a third of the iterations on a seed of its own: the ranks share one (%s), the others have their own. The final loss is the mean of the last 500 iterations, of rows the last 100. "+
			"TKA is the alignment of the recurrent matrix's tangent kernels before and after training, on %d trials; RA that of the states at the last step, on %d. Runs are compared if their final losses differ by at most 5 %% or 0.001 nats.",
		x.units, noise, x.iterations, x.until, x.rows, x.rates, strings.Join(rates, ", "), x.tangent, x.plan.looked)})
	if x.noRows != nil {
		x.r.Section(paper.Section{Title: "Rows", Text: "Not measured: " + x.noRows.Error()})
	}
	for _, t := range x.tasks {
		s := paper.Section{Title: t.name, Text: fmt.Sprintf("Mean and standard deviation of %d seeds, without those whose loss or states went out of range.", x.seeds), Head: append(heads("first matrix", measures), " rate")}
		for _, a := range x.armsFor(t) {
			s.Rows = append(s.Rows, append(x.row(t.name, a, measures), fmt.Sprintf("%g", x.rate[cell{t.name, a.name}])))
		}
		x.r.Section(s)
	}
	s := paper.Section{Title: "The first matrices", Text: "Mean and standard deviation of the seeds.", Head: append(heads("first matrix", spectra), "what")}
	for _, a := range x.arms {
		if !a.bound() {
			s.Rows = append(s.Rows, append(x.row("2AF", a, spectra), a.what))
		}
	}
	x.r.Section(s)
	x.r.Section(x.readoutTable())
	x.r.Section(x.forgettingTable())
	x.r.Section(x.theoryTable("Linear theory: alignment of tangent kernels", linearTangent))
	x.r.Section(x.theoryTable("Linear theory: |Delta W1|", linearMoved))
	x.r.Section(x.kappaTable())
	for _, p := range []struct {
		name string
		svg  []byte
	}{
		{"tangent.svg", x.byRank("Alignment of tangent kernels before and after training", "TKA", tangent)},
		{"weights.svg", x.byRank("Change of the recurrent matrix", "|Delta W|/|W|", measures[3].of)},
		{"states.svg", x.byRank("Alignment of hidden states before and after training", "RA", states)},
		{"centred.svg", x.byRank("The same without the mean of the states", "RA, centred", measures[6].of)},
		{"theory.svg", x.theoryCurves()},
		{"kappa.svg", x.kappaCurves()},
	} {
		if err := x.r.Picture(p.name, p.svg); err != nil {
			return err
		}
	}
	return nil
}

// readoutTable shows that a frozen matrix's tangent kernel moves with the readout.
func (x *experiment) readoutTable() paper.Section {
	s := paper.Section{Title: "Lazy bounds", Text: "If only the readout learns, its own tangent kernel can't change, but that of the frozen recurrent matrix does, as its gradients go through the readout. The linearised network's can't change at all; its loss says how much of the task can be learnt without new features.",
		Head: []string{"task", "what learns", " final loss", " accuracy, %", " TKA of the recurrent matrix", " of the readout"}}
	columns := []column{measures[0], measures[1], measures[4], {"", "%.3f", func(o outcome) float64 { return o.Readout }}}
	for _, t := range x.tasks {
		for _, a := range x.arms {
			if !t.last && (a.bound() || a.name == fullRank || a.rank == 1) {
				s.Rows = append(s.Rows, append([]string{t.name}, x.row(t.name, a, columns)...))
			}
		}
	}
	return s
}

func (x *experiment) forgettingTable() paper.Section {
	s := paper.Section{Title: "Extension: forgetting", Text: "Accuracy at the last step, %, of networks that learn 2AF and then DMS. Mean and standard deviation of the seeds.",
		Head: []string{"first matrix", " 2AF before", " 2AF after DMS", " DMS"}}
	for _, name := range []string{"rank 1", fullRank} {
		row := []string{name}
		for _, f := range []func(forgetting) float64{func(f forgetting) float64 { return f.Before }, func(f forgetting) float64 { return f.After }, func(f forgetting) float64 { return f.Second }} {
			var values []float64
			for _, v := range x.forgot[name] {
				values = append(values, 100*f(v))
			}
			mean, sd := stat.MeanStdDev(values, nil)
			row = append(row, fmt.Sprintf("%.1f ± %.1f", mean, sd))
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

func (x *experiment) theoryTable(title string, f func(linearPoint) float64) paper.Section {
	s := paper.Section{Title: title, Text: fmt.Sprintf("%d inputs, %d units, a target of norm 1; mean of %d targets.", inputs, units, x.targets), Head: []string{" |W1|"}}
	for _, how := range theories[:6] {
		s.Head = append(s.Head, " "+how.name)
	}
	for _, size := range norms {
		row := []string{fmt.Sprintf("%g", size)}
		for _, how := range theories[:6] {
			row = append(row, fmt.Sprintf("%.2f", linearMean(x.byNorm[point{how.name, size}], f)))
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

func (x *experiment) kappaTable() paper.Section {
	s := paper.Section{Title: "Linear theory: alignment of tangent kernels by kappa", Text: "|W1| is 1. Half of the features' singular values are kappa, the others 1; partly aligned is rank 1 along what the larger half makes of the teacher.", Head: []string{" kappa"}}
	for _, how := range compared {
		s.Head = append(s.Head, " "+how.name)
	}
	for _, k := range kappas {
		row := []string{fmt.Sprintf("%g", k)}
		for _, how := range compared {
			row = append(row, fmt.Sprintf("%.2f", linearMean(x.byKappa[point{how.name, k}], linearTangent)))
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// byRank draws a measure by rank, a line for each task.
func (x *experiment) byRank(title, y string, f func(outcome) float64) []byte {
	c := plot.Chart{Title: title, X: "rank of the first recurrent matrix, same Frobenius norm", Y: y, Log: true,
		Foot: fmt.Sprintf("mean and standard deviation of %d seeds, %d units; 2AF, DMS and CXT are synthetic, rows are Fashion-MNIST's", x.seeds, x.units)}
	for i, t := range x.tasks {
		line := plot.Line{Label: t.name, Color: i}
		for _, a := range x.ranked(t) {
			if mean, sd, n := x.summary(cell{t.name, a.name}, f); n > 0 {
				line.Points, line.Spread = append(line.Points, plot.Point{X: float64(a.rank), Y: mean}), append(line.Spread, sd)
			}
		}
		c.Lines = append(c.Lines, line)
	}
	return c.SVG()
}

func (x *experiment) theoryCurves() []byte {
	c := plot.Chart{Title: "Linear theory: alignment of tangent kernels", X: "rank of W1", Y: "alignment", Log: true,
		Foot: fmt.Sprintf("%d inputs, %d units, target of norm 1; mean and standard deviation of %d targets", inputs, units, x.targets)}
	for i, size := range norms {
		line := plot.Line{Label: fmt.Sprintf("|W1| = %g", size), Color: i}
		for _, how := range theories[:5] {
			line.Points, line.Spread = append(line.Points, plot.Point{X: float64(how.rank), Y: linearMean(x.byNorm[point{how.name, size}], linearTangent)}), append(line.Spread, spread(x.byNorm[point{how.name, size}]))
		}
		c.Lines = append(c.Lines, line)
	}
	return c.SVG()
}

func (x *experiment) kappaCurves() []byte {
	c := plot.Chart{Title: "Linear theory: alignment of tangent kernels from rank 1", X: "kappa", Y: "alignment", Log: true,
		Foot: fmt.Sprintf("|W1| = 1; mean and standard deviation of %d targets", x.targets)}
	for i, how := range compared {
		line := plot.Line{Label: how.name, Color: i}
		if how.rank == 1 {
			line.Label = "random"
		}
		for _, k := range kappas {
			line.Points, line.Spread = append(line.Points, plot.Point{X: k, Y: linearMean(x.byKappa[point{how.name, k}], linearTangent)}), append(line.Spread, spread(x.byKappa[point{how.name, k}]))
		}
		c.Lines = append(c.Lines, line)
	}
	return c.SVG()
}

// spread is the standard deviation of alignments.
func spread(points []linearPoint) float64 {
	var values []float64
	for _, p := range points {
		values = append(values, p.Tangent)
	}
	if len(values) < 2 {
		return 0
	}
	return stat.StdDev(values, nil)
}
