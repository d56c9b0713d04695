package plot_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/micaml/mica/plot"
)

// texts parses a picture as XML and returns what it says.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var all []string
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if c, ok := tok.(xml.CharData); ok && strings.TrimSpace(string(c)) != "" {
			all = append(all, string(c))
		}
	}
}

func TestHeatSaysWhatItGot(t *testing.T) {
	h := plot.Heat{
		Title: `a < b & "c"`, Foot: "<script>", X: "length", Y: "depth", Columns: []string{"10", "20"}, Rows: []string{"0", "100"},
		Panels: []plot.Panel{{"one", [][]float64{{0, 0.25}, {1, -1}}}, {"two", [][]float64{{0.5, 0.5}, {0.5, 0.5}}}},
	}
	got := texts(t, h.SVG())
	for _, want := range []string{`a < b & "c"`, "<script>", "length", "depth", "10", "20", "100", "one", "two", "0.00", "0.25", "1.00"} {
		found := false
		for _, g := range got {
			found = found || g == want
		}
		if !found {
			t.Errorf("the picture doesn't say %q: %q", want, got)
		}
	}
	if n := strings.Count(fmt.Sprint(got), "0.50"); n != 4 {
		t.Errorf("%d cells say 0.50", n)
	}
}

func TestViridisEnds(t *testing.T) {
	for _, c := range []struct {
		v    float64
		fill string
	}{{0, "#440154"}, {1, "#fde725"}, {-3, "#440154"}, {7, "#fde725"}, {0.5, "#21908d"}} {
		if fill, _ := plot.Viridis(c.v); fill != c.fill {
			t.Errorf("%v: %s, want %s", c.v, fill, c.fill)
		}
	}
}

func ExampleHeat() {
	h := plot.Heat{Title: "scores", Columns: []string{"1,000"}, Rows: []string{"50"}, Panels: []plot.Panel{{"full", [][]float64{{1}}}}}
	fmt.Println(strings.HasPrefix(string(h.SVG()), "<svg"))
	// Output: true
}
