package plot_test

import (
	"fmt"
	"strings"

	"github.com/micaml/mica/plot"
)

// Two maps on one scale, and a chart; each is a whole SVG file.
func Example() {
	heat := plot.Heat{
		Title: "Needle in a haystack", X: "length, tokens", Y: "depth, percent",
		Columns: []string{"1,000", "2,000"}, Rows: []string{"0", "100"},
		Panels: []plot.Panel{
			{Title: "full", Cells: [][]float64{{1, 1}, {1, 0.5}}},
			{Title: "last", Cells: [][]float64{{0, 0}, {1, 1}}},
		},
	}
	chart := plot.Chart{
		Title: "Loss", X: "step", Y: "nats",
		Lines: []plot.Line{{Label: "training", Points: []plot.Point{{X: 1, Y: 4.2}, {X: 2, Y: 3.1}}}},
	}
	for _, svg := range [][]byte{heat.SVG(), chart.SVG()} {
		_, after, _ := strings.Cut(string(svg), "<title>")
		title, _, _ := strings.Cut(after, "</title>")
		fmt.Println(title)
	}
	// Output:
	// Needle in a haystack
	// Loss
}
