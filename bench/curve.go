package main

import (
	"fmt"

	"github.com/micaml/mica/plot"
)

// A chart is a picture of what some rows have measured.
type chart struct {
	file, title, x, y string
	log               bool // the x axis
	lines             []line
}

type line struct {
	label  string
	color  int
	dashed bool
	points []point
}

// A point is tokens a run over the median seconds of a row's series, if it was measured.
type point struct {
	x           float64
	row, series string
	tokens      float64
}

// svg draws what was measured.
func (c chart) svg(all *results) []byte {
	p := plot.Chart{Title: c.title, X: c.x, Y: c.y, Log: c.log}
	for _, l := range c.lines {
		drawn := plot.Line{Label: l.label, Color: l.color, Dashed: l.dashed}
		for _, x := range l.points {
			if s := all.Rows[x.row].seconds(x.series); s > 0 {
				drawn.Points = append(drawn.Points, plot.Point{X: x.x, Y: x.tokens / s})
			}
		}
		p.Lines = append(p.Lines, drawn)
	}
	return p.SVG()
}

// curves are the pictures: what mica and llama.cpp do as something grows.
func curves() []chart {
	both := func(mica, llama string) []string { return []string{mica, llama} }
	prompt := chart{file: "prompt.svg", title: "Reading a prompt, SmolLM2-135M " + curveModel, x: "prompt length (tokens)", y: "tokens/s"}
	for _, threads := range []int{2, 1} {
		g := prompts
		names := both("mica", fmt.Sprintf("llama.cpp t%d", threads))
		for i, label := range []string{"mica", "llama.cpp"} {
			l := line{label: fmt.Sprintf("%s, %d thread%s", label, threads, plural(threads)), color: i, dashed: threads == 1}
			for _, n := range promptPoints {
				l.points = append(l.points, point{float64(n), promptRow(curveModel, n, threads, g).name, names[i], float64(n)})
			}
			prompt.lines = append(prompt.lines, l)
		}
	}
	depth := chart{file: "depth.svg", title: "Generation after a context, SmolLM2-135M " + curveModel, x: "tokens of context", y: "tokens/s"}
	rows := chart{file: "rows.svg", title: "Tokens through the same weights at once, SmolLM2-135M " + curveModel, x: "tokens at once", y: "tokens/s", log: true}
	for i, s := range []struct{ label, series string }{{"mica, 2 threads", "mica"}, {"llama.cpp, 1 thread", "llama.cpp t1"}, {"llama.cpp, 2 threads", "llama.cpp t2"}} {
		d := line{label: s.label, color: min(i, 1), dashed: i == 1}
		for _, n := range depthPoints {
			d.points = append(d.points, point{float64(n), generationRow(curveModel, n, generation).name, s.series, 64})
		}
		depth.lines = append(depth.lines, d)
		r := line{label: s.label, color: min(i, 1), dashed: i == 1}
		for _, n := range rowPoints {
			r.points = append(r.points, point{float64(n), rowsRow(n).name, s.series, float64(n)})
		}
		rows.lines = append(rows.lines, r)
	}
	return []chart{prompt, depth, rows}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
