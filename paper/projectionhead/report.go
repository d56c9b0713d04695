package projectionhead

import (
	"fmt"

	"github.com/micaml/mica/learn/head"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/plot"
)

// percent is a mean and half of its interval, in points.
func (x *experiment) percent(j job, f func(seen) float64) string {
	g := x.paired(func(trial int) float64 { return f(x.jobs[j][trial]) })
	return fmt.Sprintf("%.1f ± %.1f", 100*g.mean, 100*g.half)
}

func before(s seen) float64 { return s.Probe[0] }
func after(s seen) float64  { return s.Probe[1] }

// report writes tables and pictures.
func (x *experiment) report() error {
	x.r.Section(paper.Section{Title: "What was done", Text: fmt.Sprintf(
		"All pictures are synthetic: digits of 5x7 dots on a field of 16x16, on one of ten gratings of amplitude 0.5 with noise, or in one of two channels, the colour. A view is moved by up to a pixel and gets noise; of the digits on textures it loses its digit with a probability (drop). "+
			"The encoder is a perceptron, %d hidden units and %d linear outputs, trained for %d steps of %d views by AdamW with half a cosine. Heads keep the width %d. "+
			"A probe is a logistic regression on %d labelled pictures without augmentation, tested on %d others; its penalty is chosen on %d more. Features keep their proportions but where it says otherwise. Intervals are 95 %%, by Student's t over %d seeds; differences are paired by seed. "+
			"Retraining (DFR) is on %d labelled pictures, as many in each of the four groups of label and colour.", hidden, width, x.steps, batch, width, x.labelled, x.test, x.held, x.seeds, x.balanced)})
	x.linearTables()
	x.r.Section(x.fewTable())
	x.r.Section(x.digitsTable())
	x.r.Section(x.controlsTable())
	for _, task := range []string{coarse, spurious} {
		x.r.Section(x.supervisedTable(task))
	}
	s := paper.Section{Title: "Settings that were chosen", Text: "By the probe on held-out pictures, on a seed of its own.", Head: []string{"task", "loss", "head", " learning rate", " kappa", " held out, %"}}
	for _, c := range choosing {
		k, kappa := x.choices[c], ""
		if c.head == head.Fixed {
			kappa = fmt.Sprintf("%g", k.Kappa)
		}
		s.Rows = append(s.Rows, []string{c.task, c.loss, c.head, fmt.Sprintf("%g", k.Rate), kappa, fmt.Sprintf("%.1f", 100*k.Held)})
	}
	x.r.Section(s)
	for _, p := range []struct {
		name string
		plot.Chart
	}{{"drop.svg", x.curve(true)}, {"strength.svg", x.curve(false)}, {"layers.svg", x.layersChart()}, {"few.svg", x.fewChart()}} {
		if err := x.r.Picture(p.name, p.SVG()); err != nil {
			return err
		}
	}
	return nil
}

// linearTables compare the closed form with trained weights.
func (x *experiment) linearTables() {
	l := asInSpecification()
	closed := l.closed()
	s := paper.Section{Title: "The linear model", Text: fmt.Sprintf("Weights of six features of noise 0.6 after %d steps of gradient descent on the population's loss, two layers of 8, first seed. W1 is the layer below the head, W2 W1 the end.", x.descent),
		Head: []string{"what"}}
	for _, phi := range l.phi {
		s.Head = append(s.Head, fmt.Sprintf(" phi %g", phi))
	}
	s.Head = append(s.Head, " max/min")
	row := func(what string, w []float64) {
		cells := []string{what}
		lo, hi := w[0], w[0]
		for _, v := range w {
			cells = append(cells, fmt.Sprintf("%.4f", v))
			lo, hi = min(lo, v), max(hi, v)
		}
		s.Rows = append(s.Rows, append(cells, fmt.Sprintf("%.3g", hi/lo)))
	}
	row("closed form: s", closed)
	row("closed form: root of s", powers(closed, 0.5))
	for _, sd := range []float64{0.02, 0.1, 0.3} {
		d := x.theory.starts[sd][0]
		row(fmt.Sprintf("W1, start %g", sd), d.Layers[0])
		row(fmt.Sprintf("W2 W1, start %g", sd), d.Layers[1])
	}
	row("W1, weight decay 0.01", x.theory.decay[0].Layers[0])
	row("W2 W1, weight decay 0.01", x.theory.decay[0].Layers[1])
	for depth := 2; depth <= 4; depth++ {
		for k, w := range x.theory.depths[depth].Layers {
			row(fmt.Sprintf("balanced start, after layer %d of %d", k+1, depth), w)
		}
	}
	x.r.Section(s)
	t := paper.Section{Title: "Singular values of the linear model", Text: "The same runs; the first six.", Head: []string{"what", " 1", " 2", " 3", " 4", " 5", " 6", " 1 to 6"}}
	for _, d := range []struct {
		what string
		descent
	}{{"start 0.1", x.theory.starts[0.1][0]}, {"start 0.3", x.theory.starts[0.3][0]}, {"balanced start, 4 layers", x.theory.depths[4]}} {
		for k, values := range d.Singular {
			cells := []string{fmt.Sprintf("%s, after layer %d", d.what, k+1)}
			for _, v := range values[:6] {
				cells = append(cells, fmt.Sprintf("%.3f", v))
			}
			t.Rows = append(t.Rows, append(cells, fmt.Sprintf("%.3g", values[0]/values[5])))
		}
	}
	x.r.Section(t)
}

func (x *experiment) fewTable() paper.Section {
	s := paper.Section{Title: "Few-shot, %", Text: fmt.Sprintf("60 features of -1 and 1 (synthetic), of which the last, of strength phi and noise sigma, is the label; the others have 1 and 0.6. Least squares of least norm; the mean of %d draws.", x.draws),
		Head: []string{" phi", " sigma", " s", "theory says", " before, 20 points", " after", " difference", " before, 50 points", " after", " difference"}}
	for _, f := range fewCells() {
		_, _, better := f.strengths()
		says := "after"
		if better {
			says = "before"
		}
		if f == (few{1, 0.6}) {
			says = "equal"
		}
		row := []string{fmt.Sprintf("%g", f.Phi), fmt.Sprintf("%g", f.Sigma), fmt.Sprintf("%.2f", weight(f.Phi, f.Sigma)), says}
		for _, n := range fewPoints {
			k := x.few[f][n]
			row = append(row, fmt.Sprintf("%.1f", 100*k.Pre), fmt.Sprintf("%.1f", 100*k.Post), gap{k.Gain, k.Error}.String())
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

func (x *experiment) digitsTable() paper.Section {
	s := paper.Section{Title: "Digits on textures: the digit is read, %", Text: "NT-Xent on synthetic pictures.",
		Head: []string{" drop", " strength", " no head", " before mlp", " after mlp", " before fixed", " after fixed", " before - after mlp", " before mlp - no head"}}
	for _, at := range x.cells() {
		mlp, fixed := x.of(at, head.MLP), x.of(at, head.Fixed)
		s.Rows = append(s.Rows, []string{fmt.Sprintf("%g", at.drop), fmt.Sprintf("%g", at.strength), x.percent(x.of(at, head.None), before),
			x.percent(mlp, before), x.percent(mlp, after), x.percent(fixed, before), x.percent(fixed, after),
			x.over([]cell{at}, x.headGap).String(), x.over([]cell{at}, x.against(head.MLP, head.None)).String()})
	}
	return s
}

func (x *experiment) controlsTable() paper.Section {
	s := paper.Section{Title: "Controls, %", Text: "At drop 0.5 and strength 1: the digit read before and after each head, with features in their own proportions, standardized, whitened, and from 5 examples a class by least squares of least norm; from the hidden layer below the representation. Unequal is the ratio of the largest deviation along a principal direction to the 16th.",
		Head: []string{"head", " before", " after", " standardized", " after", " whitened", " after", " few", " after", " hidden layer", " unequal", " after"}}
	for _, c := range x.controls() {
		row := []string{c.name}
		for _, f := range []func(seen) [2]float64{
			func(s seen) [2]float64 { return s.Probe }, func(s seen) [2]float64 { return s.Standardized },
			func(s seen) [2]float64 { return s.Whitened }, func(s seen) [2]float64 { return s.Few },
		} {
			for side := range 2 {
				row = append(row, x.percent(c.job, func(s seen) float64 { return f(s)[side] }))
			}
		}
		row = append(row, x.percent(c.job, func(s seen) float64 { return s.Hidden }))
		for side := range 2 {
			g := x.paired(func(trial int) float64 { return x.jobs[c.job][trial].Ratio[side] })
			row = append(row, fmt.Sprintf("%.1f", g.mean))
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

func (x *experiment) supervisedTable(task string) paper.Section {
	s := paper.Section{Title: "Coarse labels: the fine class is read, %", Text: "Digits on textures, strength 1, no digit is dropped; the label is whether it is below 5. Synthetic.",
		Head: []string{"loss", "head", " before", " after", " difference"}}
	if task == spurious {
		s.Title, s.Text = "Spurious colour: accuracy after retraining, %", "The label is whether a digit is below 5; its colour says so too in 95 % of the pictures of training. Synthetic. Without retraining: a probe fitted to the pictures of training."
		s.Head = []string{"loss", "head", " worst group before", " after", " difference", " mean before", " after", " without retraining: worst group before", " after"}
	}
	for _, loss := range []string{supCon, ce} {
		for _, kind := range everywhere {
			j := x.supervised(task, loss, kind)
			row := []string{loss, kind, x.percent(j, before), x.percent(j, after), x.paired(func(t int) float64 { return x.before(j, t) - x.after(j, t) }).String()}
			if task == spurious {
				for side := range 2 {
					row = append(row, x.percent(j, func(s seen) float64 { return s.Average[side] }))
				}
				for side := range 2 {
					row = append(row, x.percent(j, func(s seen) float64 { return s.Plain[side] }))
				}
			}
			s.Rows = append(s.Rows, row)
		}
	}
	return s
}

// curve draws the digit's accuracy by drop or by strength.
func (x *experiment) curve(drop bool) plot.Chart {
	c := plot.Chart{Title: "Digits on textures: how well the digit is read", X: "probability that a view loses its digit", Y: "accuracy",
		Foot: "synthetic pictures; mean of the seeds; dashed: after the head"}
	if !drop {
		c.X, c.Log = "strength of the digit", true
	}
	for i, kind := range everywhere {
		for side := range 2 {
			if kind == head.None && side == 1 {
				continue
			}
			line := plot.Line{Label: []string{"before ", "after "}[side] + kind, Color: i, Dashed: side == 1}
			if kind == head.None {
				line.Label = "no head"
			}
			values := x.strengths
			if drop {
				values = x.drops
			}
			for _, v := range values {
				at := cell{centralDrop, v}
				if drop {
					at = cell{v, centralStrength}
				}
				g := x.paired(func(t int) float64 { return x.jobs[x.of(at, kind)][t].Probe[side] })
				line.Points = append(line.Points, plot.Point{X: v, Y: g.mean})
			}
			c.Lines = append(c.Lines, line)
		}
	}
	return c
}

// layersChart draws the weights of the features layer by layer.
func (x *experiment) layersChart() plot.Chart {
	c := plot.Chart{Title: "Linear network of four layers: how features are weighed", X: "layer", Y: "weight", Foot: "trained from a balanced start; six features of noise 0.6"}
	l := asInSpecification()
	for j, phi := range l.phi {
		line := plot.Line{Label: fmt.Sprintf("phi %g", phi), Color: j % 4, Dashed: j >= 4} // four colours are told apart
		for k, w := range x.theory.depths[4].Layers {
			line.Points = append(line.Points, plot.Point{X: float64(k + 1), Y: w[j]})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// fewChart draws the few-shot accuracies by the feature's strength.
func (x *experiment) fewChart() plot.Chart {
	c := plot.Chart{Title: "Few-shot: 20 points, 60 features", X: "strength of the feature that is the label", Y: "accuracy", Log: true, Foot: "others have strength 1; noise 0.6"}
	a, b := plot.Line{Label: "before the head", Color: 0}, plot.Line{Label: "after it", Color: 1, Dashed: true}
	for _, r := range reference {
		s := x.few[few{r.phi, 0.6}][20]
		a.Points = append(a.Points, plot.Point{X: r.phi, Y: s.Pre})
		b.Points = append(b.Points, plot.Point{X: r.phi, Y: s.Post})
	}
	c.Lines = []plot.Line{a, b}
	return c
}
