package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// A chart is a picture of lines with the y axis from 0.
type chart struct {
	file, title, x, y string
	log               bool // the x axis, to base 2
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

// colors of mica and its peer, apart for the colour-blind too.
var colors = []string{"#0b6e99", "#c8641b"}

// The picture's and the plot's measures.
const (
	width, height              = 720, 400
	left, right, top, bottom   = 70, 30, 84, 52
	plotWidth, plotHeight      = width - left - right, height - top - bottom
	legendColumn, legendHeight = 310, 18
)

// svg draws what was measured.
func (c chart) svg(all *results) []byte {
	highest, xs := 0.0, []float64{}
	for _, l := range c.lines {
		for _, p := range l.points {
			xs = append(xs, p.x)
			highest = max(highest, p.value(all))
		}
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	step := niceStep(highest / 5)
	limit := step * max(1, math.Ceil(highest/step))
	place := func(x float64) float64 {
		from, to := xs[0], xs[len(xs)-1]
		if c.log {
			x, from, to = math.Log2(x), math.Log2(from), math.Log2(to)
		}
		return left + plotWidth*(x-from)/(to-from)
	}
	rise := func(y float64) float64 { return top + plotHeight*(1-y/limit) }

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" fill="#333">
<title>%s</title>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%d" y="24" font-size="16" font-weight="600">%[3]s</text>
`, width, height, html.EscapeString(c.title), left)
	for y := 0.0; y <= limit*1.001; y += step {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, width-right, rise(y), rise(y), left-8, rise(y)+4, tick(y))
	}
	for _, x := range xs {
		fmt.Fprintf(&b, `<line x1="%[1]g" x2="%[1]g" y1="%[2]d" y2="%[3]d" stroke="#999"/><text x="%[1]g" y="%[4]d" text-anchor="middle">%[5]s</text>`+"\n",
			math.Round(place(x)), height-bottom, height-bottom+5, height-bottom+20, tick(x))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>
<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>
`, left+plotWidth/2, height-10, html.EscapeString(c.x), top+plotHeight/2, html.EscapeString(c.y))
	for i, l := range c.lines {
		l.draw(&b, i, all, place, rise)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// draw adds a line, a dot for each point that was measured, and its place in the legend.
func (l line) draw(b *bytes.Buffer, i int, all *results, place, rise func(float64) float64) {
	color, dash := colors[l.color], ""
	if l.dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	var path, dots bytes.Buffer
	for _, p := range l.points {
		y := p.value(all)
		if y == 0 {
			continue
		}
		fmt.Fprintf(&path, "%.1f,%.1f ", place(p.x), rise(y))
		fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s tokens/s</title></circle>`, place(p.x), rise(y), color, rate(y))
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2.2"%s/>%s`+"\n", bytes.TrimSpace(path.Bytes()), color, dash, dots.Bytes())
	}
	x, y := left+i%2*legendColumn, 46+i/2*legendHeight
	fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="2.2"%s/><text x="%d" y="%d">%s</text>`+"\n",
		x, x+28, y-4, y-4, color, dash, x+36, y, html.EscapeString(l.label))
}

func (p point) value(all *results) float64 {
	if s := all.Rows[p.row].seconds(p.series); s > 0 {
		return p.tokens / s
	}
	return 0
}

// niceStep is 1, 2 or 5 times a power of ten, at least x.
func niceStep(x float64) float64 {
	if x <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= x {
			return m * unit
		}
	}
	return 10 * unit
}

func tick(x float64) string {
	if x >= 1000 {
		return rate(x)
	}
	return fmt.Sprintf("%g", x)
}
