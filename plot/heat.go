package plot

import (
	"bytes"
	"fmt"
	"html"
	"unicode/utf8"
)

// Heat is a row of maps on one scale, from 0 to 1.
type Heat struct {
	Title, Foot string
	X, Y        string   // what the axes are
	Columns     []string // along x
	Rows        []string // along y, from the top
	Panels      []Panel
}

// Panel is one map: cells by row and column, negative where nothing is known.
type Panel struct {
	Title string
	Cells [][]float64
}

// The measures of a map.
const (
	cellWidth, cellHeight = 52, 30
	gap, margin           = 28, 20
	labelWidth            = 74
	headHeight            = 78
	footHeight            = 64
	letterWidth           = 9 // of a title's, about
)

// SVG draws the maps side by side, with numbers in the cells.
func (h Heat) SVG() []byte {
	panel := cellWidth * len(h.Columns)
	for _, p := range h.Panels {
		panel = max(panel, letterWidth*utf8.RuneCountInString(p.Title))
	}
	width := max(margin+labelWidth+len(h.Panels)*(panel+gap), 6*utf8.RuneCountInString(h.Foot), letterWidth*utf8.RuneCountInString(h.Title)) + margin
	height := headHeight + cellHeight*len(h.Rows) + footHeight
	var b bytes.Buffer
	begin(&b, width, height, h.Title, margin, 28)
	for y, label := range h.Rows {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", margin+labelWidth-8, headHeight+y*cellHeight+cellHeight/2+5, html.EscapeString(label))
	}
	fmt.Fprintf(&b, `<text transform="translate(%d %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		margin, headHeight+cellHeight*len(h.Rows)/2, html.EscapeString(h.Y))
	for i, p := range h.Panels {
		h.panel(&b, p, margin+labelWidth+i*(panel+gap))
	}
	end(&b, h.Foot, margin, height-10)
	return b.Bytes()
}

func (h Heat) panel(b *bytes.Buffer, p Panel, left int) {
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="600">%s</text>`+"\n", left, headHeight-12, html.EscapeString(p.Title))
	for y, row := range p.Cells {
		for x, v := range row {
			fill, text, ink := "#eee", "", "#333"
			if v >= 0 {
				fill, ink = Viridis(v)
				text = fmt.Sprintf("%.2f", v)
			}
			fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s" stroke="#fff"/><text x="%d" y="%d" text-anchor="middle" fill="%s">%s</text>`+"\n",
				left+x*cellWidth, headHeight+y*cellHeight, cellWidth, cellHeight, fill,
				left+x*cellWidth+cellWidth/2, headHeight+y*cellHeight+cellHeight/2+5, ink, text)
		}
	}
	bottom := headHeight + cellHeight*len(h.Rows)
	for x, label := range h.Columns {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+x*cellWidth+cellWidth/2, bottom+18, html.EscapeString(label))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+cellWidth*len(h.Columns)/2, bottom+36, html.EscapeString(h.X))
}
