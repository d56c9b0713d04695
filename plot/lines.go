package plot

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// Chart is lines over one x axis, with the y axis from 0.
type Chart struct {
	Title, Foot string
	X, Y        string // what the axes are
	Log         bool   // the x axis, to base 2
	Lines       []Line
}

// Line is one line of a chart.
type Line struct {
	Label  string
	Color  int // 0, 1, ...: lines of one colour belong together
	Dashed bool
	Points []Point // by x
	// Spread is how far each point may be off, up and down: a bar. nil: none is drawn.
	Spread []float64
}

// Point is a point of a line.
type Point struct{ X, Y float64 }

// lineColors are apart for the colour-blind too.
var lineColors = []string{"#0b6e99", "#c8641b", "#4b8b3b", "#8a4fa3"}

// The measures of a chart and of the plot in it.
const (
	chartWidth, chartHeight    = 720, 400
	left, right, top, bottom   = 70, 30, 84, 52
	plotWidth, plotHeight      = chartWidth - left - right, chartHeight - top - bottom
	legendColumn, legendHeight = 310, 18
)

// SVG draws the chart. One without points is empty axes.
func (c Chart) SVG() []byte {
	highest, xs := 0.0, []float64{}
	for _, l := range c.Lines {
		for i, p := range l.Points {
			xs = append(xs, p.X)
			highest = max(highest, p.Y+l.spread(i))
		}
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	step := niceStep(highest / 5)
	limit := step * max(1, math.Ceil(highest/step))
	place := func(x float64) float64 {
		from, to := xs[0], xs[len(xs)-1]
		if c.Log {
			x, from, to = math.Log2(x), math.Log2(from), math.Log2(to)
		}
		if from == to {
			return left + plotWidth/2
		}
		return left + plotWidth*(x-from)/(to-from)
	}
	rise := func(y float64) float64 { return top + plotHeight*(1-y/limit) }

	height := chartHeight
	if c.Foot != "" {
		height += 20
	}
	// A legend of more than two rows moves the plot down.
	down := max(0, (len(c.Lines)+1)/2-2) * legendHeight
	var b bytes.Buffer
	begin(&b, chartWidth, height+down, c.Title, left, 24)
	for i, l := range c.Lines {
		l.legend(&b, i)
	}
	fmt.Fprintf(&b, `<g transform="translate(0 %d)">`+"\n", down)
	for y := 0.0; y <= limit*1.001; y += step {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, chartWidth-right, rise(y), rise(y), left-8, rise(y)+4, number(y))
	}
	last := math.Inf(-1)
	for _, x := range xs {
		if place(x)-last < float64(max(24, 9*len(number(x)))) { // its label would be in the way of the one before
			continue
		}
		last = place(x)
		fmt.Fprintf(&b, `<line x1="%[1]g" x2="%[1]g" y1="%[2]d" y2="%[3]d" stroke="#999"/><text x="%[1]g" y="%[4]d" text-anchor="middle">%[5]s</text>`+"\n",
			math.Round(last), chartHeight-bottom, chartHeight-bottom+5, chartHeight-bottom+20, number(x))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>
<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>
`, left+plotWidth/2, chartHeight-10, html.EscapeString(c.X), top+plotHeight/2, html.EscapeString(c.Y))
	for _, l := range c.Lines {
		l.draw(&b, c.Y, place, rise)
	}
	b.WriteString("</g>\n")
	end(&b, c.Foot, left, height+down-8)
	return b.Bytes()
}

// begin opens a picture on white with its title at (x, y).
func begin(b *bytes.Buffer, width, height int, title string, x, y int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" fill="#333">
<title>%s</title>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%d" y="%d" font-size="16" font-weight="600">%[3]s</text>
`, width, height, html.EscapeString(title), x, y)
}

// end closes a picture with its foot, a small line at (x, y), if it has one.
func end(b *bytes.Buffer, foot string, x, y int) {
	if foot != "" {
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="11" fill="#666">%s</text>`+"\n", x, y, html.EscapeString(foot))
	}
	b.WriteString("</svg>\n")
}

// spread is that of a point.
func (l Line) spread(i int) float64 {
	if i < len(l.Spread) {
		return l.Spread[i]
	}
	return 0
}

// look is the colour of a line, and how it is dashed.
func (l Line) look() (color, dash string) {
	if l.Dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	return lineColors[l.Color%len(lineColors)], dash
}

// legend adds the line's place in the legend, the ith.
func (l Line) legend(b *bytes.Buffer, i int) {
	color, dash := l.look()
	x, y := left+i%2*legendColumn, 46+i/2*legendHeight
	fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="2.2"%s/><text x="%d" y="%d">%s</text>`+"\n",
		x, x+28, y-4, y-4, color, dash, x+36, y, html.EscapeString(l.Label))
}

// draw adds a line and a dot for each point.
func (l Line) draw(b *bytes.Buffer, unit string, place, rise func(float64) float64) {
	color, dash := l.look()
	var path, dots bytes.Buffer
	for i, p := range l.Points {
		if s := l.spread(i); s > 0 {
			fmt.Fprintf(&dots, `<line x1="%[1]g" x2="%[1]g" y1="%.1[2]f" y2="%.1[3]f" stroke="%[4]s" stroke-opacity=".6"/>`, math.Round(place(p.X)), rise(max(0, p.Y-s)), rise(p.Y+s), color)
		}
		fmt.Fprintf(&path, "%.1f,%.1f ", place(p.X), rise(p.Y))
		fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s %s</title></circle>`, place(p.X), rise(p.Y), color, number(p.Y), html.EscapeString(unit))
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2.2"%s/>%s`+"\n", bytes.TrimSpace(path.Bytes()), color, dash, dots.Bytes())
	}
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

// number writes a number of an axis or a hint: 12,345, 123, 1.5.
func number(x float64) string {
	if math.Abs(x) < 1000 {
		return fmt.Sprintf("%.3g", x)
	}
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
