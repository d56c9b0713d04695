package plot_test

import (
	"strings"
	"testing"

	"github.com/micaml/mica/plot"
)

func TestChartSaysWhatItGot(t *testing.T) {
	c := plot.Chart{Title: "speed & <more>", Foot: "a machine", X: "tokens", Y: "tokens/s", Log: true, Lines: []plot.Line{
		{Label: "one", Points: []plot.Point{{1, 100}, {8, 1500}}},
		{Label: "two", Color: 1, Dashed: true, Points: []plot.Point{{1, 50}, {2, 60}}},
		{Label: "none"},
	}}
	svg := c.SVG()
	said := strings.Join(texts(t, svg), "|")
	for _, want := range []string{"speed & <more>", "a machine", "tokens", "one", "two", "none", "1,500 tokens/s", "|8|", "|500|1,000|"} {
		if !strings.Contains(said, want) {
			t.Errorf("the picture doesn't say %q: %s", want, said)
		}
	}
	// The axis is logarithmic: 2 lies a third of the way from 1 to 8.
	if want := `points="70.0,`; !strings.Contains(string(svg), want) {
		t.Errorf("no %s", want)
	}
	if want := `276.7,`; !strings.Contains(string(svg), want) {
		t.Errorf("2 is not a third of the way from 1 to 8: %s", svg)
	}
}

func TestChartOfLittle(t *testing.T) {
	for _, c := range []plot.Chart{{}, {Lines: []plot.Line{{}}}, {Lines: []plot.Line{{Points: []plot.Point{{3, 0}}}}}} {
		if s := string(c.SVG()); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
			t.Errorf("%+v: %s", c, s)
		}
		texts(t, c.SVG())
	}
}

// A spread is a bar from as far below its point to as far above, which the axis has room
// for and which doesn't leave the chart below.
func TestChartShowsSpread(t *testing.T) {
	c := plot.Chart{Lines: []plot.Line{{Points: []plot.Point{{1, 10}, {2, 20}}, Spread: []float64{30, 0}}}}
	svg := string(c.SVG())
	if n := strings.Count(svg, `stroke-opacity`); n != 1 {
		t.Errorf("%d bars, want 1: %s", n, svg)
	}
	// The axis goes to 40: the bar of 10 ± 30 is all of its height.
	if want := `<line x1="70" x2="70" y1="348.0" y2="84.0"`; !strings.Contains(svg, want) {
		t.Errorf("no %s in %s", want, svg)
	}
	texts(t, c.SVG())
}
