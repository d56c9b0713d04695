package optim

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is what a layer has of weights.
type Row struct {
	Layer   int // -1: weights of no layer
	Weights int // that are trained
	Trained int // numbers that are trained
	Numbers int // of all weights
	// Bytes is what training takes besides the model: for each number that is
	// trained a copy, its gradient and the state of its rule.
	Bytes  int64
	Groups []string // that train here
}

// Rows returns a row for each layer, ascending, and one for weights of none.
func (p *Plan) Rows() []Row {
	rows := map[int]*Row{}
	for i, w := range p.weights {
		r := rows[p.layer[i]]
		if r == nil {
			r = &Row{Layer: p.layer[i]}
			rows[p.layer[i]] = r
		}
		n := w.Rows * w.Cols
		r.Numbers += n
		if !p.trained(i) {
			continue
		}
		g := &p.groups[p.group[i]]
		r.Weights++
		r.Trained += n
		r.Bytes += 8*int64(n) + stateBytes(g.Rule, n)
		if !slices.Contains(r.Groups, g.Name) {
			r.Groups = append(r.Groups, g.Name)
		}
	}
	var all []Row
	for l := -1; l < p.layers; l++ {
		if r := rows[l]; r != nil {
			all = append(all, *r)
		}
	}
	return all
}

// stateBytes is what a rule's state of n numbers takes.
func stateBytes(r Rule, n int) int64 {
	one := 4 * int64(n)
	if r.inBytes() && n >= minBytes {
		one = int64(n) + 4*int64((n+block-1)/block)
	}
	return one * int64(len(r.slots()))
}

// String returns the table for people.
func (p *Plan) String() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "layer\tweights\ttrained\tof\tshare\tmemory\t  groups")
	var sum Row
	line := func(name string, r Row) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.2f %%\t%s\t  %s\n", name, r.Weights, r.Trained, r.Numbers,
			100*float64(r.Trained)/float64(max(r.Numbers, 1)), size(r.Bytes), strings.Join(r.Groups, ", "))
	}
	for _, r := range p.Rows() {
		name := fmt.Sprint(r.Layer)
		if r.Layer < 0 {
			name = "-"
		}
		line(name, r)
		sum.Weights += r.Weights
		sum.Trained += r.Trained
		sum.Numbers += r.Numbers
		sum.Bytes += r.Bytes
	}
	line("all", sum)
	t.Flush() // to memory: it can't fail
	lines := strings.Split(b.String(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
