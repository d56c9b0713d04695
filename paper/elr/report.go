package elr

import (
	"fmt"

	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/plot"
)

// report writes tables and pictures.
func (x *experiment) report() error {
	x.r.Section(paper.Section{Title: "What was learned", Text: fmt.Sprintf(
		"Fashion-MNIST: 5,400 pictures with wrong labels to learn from, 600 with wrong labels to choose settings by, 2,000 with right labels to test on, drawn anew for each of %d seeds. "+
			"Symmetric noise draws the labels of a share of the pictures anew from all ten classes. Asymmetric noise takes 40 %% of the ankle boots for sneakers, of the sneakers for sandals, of the pullovers for shirts, and of coats and dresses for each other (the pairs of Zhang & Sabuncu 2018). "+
			"A perceptron of 256 and 256 units, batches of 128, %d epochs of SGD with momentum 0.9, weight decay 1e-4, a tenth of the rate after 60 %% of them.", x.seeds, x.epochs)})
	for _, t := range []struct {
		title string
		f     func(history) float64
	}{
		{"Test accuracy after the last epoch, %", final}, {"Test accuracy in the best epoch, %", history.best},
		{"Test accuracy where that on held-out wrong labels is best, %", history.stopped}, {"Wrong labels memorized after the last epoch, %", memorized},
		{"Wrong labels predicted right after the last epoch, %", func(h history) float64 { return h.last().Recovered }},
	} {
		s := paper.Section{Title: t.title, Text: "Mean and standard deviation of the seeds.", Head: []string{"method"}}
		for _, n := range x.noises {
			s.Head = append(s.Head, " "+n.String())
		}
		for _, m := range methods {
			row := []string{m.name + ": " + m.what}
			for _, n := range x.noises {
				mean, sd := mean(x.runs[cell{n.name, m.name}], t.f)
				row = append(row, fmt.Sprintf("%.1f ± %.1f", 100*mean, 100*sd))
			}
			s.Rows = append(s.Rows, row)
		}
		x.r.Section(s)
	}
	s := paper.Section{Title: "Settings that were chosen", Text: "By accuracy on held-out wrong labels, on a seed of their own. A setting is lambda for ELR (with beta 0.7, or 0.9 for lambda 1), the smoothing, the weight of the label, q, or a.",
		Head: []string{"noise", "method", " setting", " learning rate"}}
	for _, n := range x.noises {
		for _, m := range methods {
			if c, ok := x.choice[cell{n.name, m.name}]; ok {
				s.Rows = append(s.Rows, []string{n.String(), m.name, fmt.Sprintf("%g", c.Setting), fmt.Sprintf("%g", c.Rate)})
			}
		}
	}
	x.r.Section(s)
	x.r.Section(x.linearTable())
	for _, n := range x.noises {
		if err := x.r.Picture("memory-"+slug(n)+".svg", x.curves(n)); err != nil {
			return err
		}
	}
	return x.r.Picture("linear.svg", x.linearCurves())
}

func slug(n noise) string {
	b := []byte(n.name)
	for i := range b {
		if b[i] == ' ' {
			b[i] = '-'
		}
	}
	return string(b)
}

// curves draws what networks make of the wrong labels, epoch by epoch.
func (x *experiment) curves(n noise) []byte {
	c := plot.Chart{Title: "Fashion-MNIST, " + n.String() + ": what becomes of the wrong labels", X: "epoch", Y: "share of the wrongly labelled pictures",
		Foot: "mean of the seeds"}
	for i, m := range []string{"ce", "elr-kl", "elr", "elr+"} {
		for _, f := range []struct {
			what string
			of   func(look) float64
		}{{"memorized", func(l look) float64 { return l.Memorized }}, {"predicted right", func(l look) float64 { return l.Recovered }}} {
			line := plot.Line{Label: m + ", " + f.what, Color: i, Dashed: f.what != "memorized"}
			runs := x.runs[cell{n.name, m}]
			for k, l := range runs[0].Looks {
				y := 0.0
				for _, h := range runs {
					y += f.of(h.Looks[k]) / float64(len(runs))
				}
				line.Points = append(line.Points, plot.Point{X: float64(l.Epoch), Y: y})
			}
			c.Lines = append(c.Lines, line)
		}
	}
	return c.SVG()
}

// linearCurves draws the linear model.
func (x *experiment) linearCurves() []byte {
	c := plot.Chart{Title: "The linear model: wrong labels memorized", X: "step of gradient descent", Y: "share of the wrong labels", Log: true, Foot: "300 points in 600 dimensions, 40 % of the labels wrong; the first seed"}
	for i, lambda := range []float64{0, 1, 2, 3} {
		line := plot.Line{Label: fmt.Sprintf("lambda %g", lambda), Color: i}
		for _, p := range x.linear[lambda][0] {
			line.Points = append(line.Points, plot.Point{X: float64(p.Step), Y: p.Memorized})
		}
		c.Lines = append(c.Lines, line)
	}
	return c.SVG()
}

func (x *experiment) linearTable() paper.Section {
	s := paper.Section{Title: "The linear model", Text: "Share of the wrongly labelled points whose true class is predicted, whose wrong label is, and test accuracy; the first seed.",
		Head: []string{" lambda", " step", " right", " memorized", " test"}}
	for _, lambda := range []float64{0, 1, 2, 3} {
		for _, step := range []int{3, 30, 300, 3000} {
			p := at(x.linear[lambda][0], step)
			s.Rows = append(s.Rows, []string{fmt.Sprintf("%g", lambda), fmt.Sprint(p.Step), fmt.Sprintf("%.2f", p.Recovered), fmt.Sprintf("%.2f", p.Memorized), fmt.Sprintf("%.3f", p.Test)})
		}
	}
	return s
}
