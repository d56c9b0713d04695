package projectionhead

import (
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/look/probe"
)

// All pictures are made up: drawn digits of 5x7 dots on a field of side x side pixels.
const (
	side   = 16
	pixels = side * side
	digits = 10
)

// glyphs are the digits, a row of five dots each.
var glyphs = [digits][7]string{
	{".###.", "#...#", "#..##", "#.#.#", "##..#", "#...#", ".###."},
	{"..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."},
	{".###.", "#...#", "....#", "...#.", "..#..", ".#...", "#####"},
	{"#####", "...#.", "..#..", "...#.", "....#", "#...#", ".###."},
	{"...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."},
	{"#####", "#....", "####.", "....#", "....#", "#...#", ".###."},
	{"..##.", ".#...", "#....", "####.", "#...#", "#...#", ".###."},
	{"#####", "....#", "...#.", "..#..", ".#...", ".#...", ".#..."},
	{".###.", "#...#", "#...#", ".###.", "#...#", "#...#", ".###."},
	{".###.", "#...#", "#...#", ".####", "....#", "...#.", ".##.."},
}

// draw adds a digit to a field, somewhere near its middle, with dots of uneven strength.
func draw(field []float32, digit int, rng *rand.Rand) {
	top, left := side/2-4+rng.IntN(2), side/2-3+rng.IntN(2)
	for i, row := range glyphs[digit] {
		for j := range row {
			if row[j] == '#' {
				field[(top+i)*side+left+j] = float32(0.7 + 0.6*rng.Float64())
			}
		}
	}
}

// grating draws one of ten textures: waves of an orientation and with a phase of their
// own, and noise.
func grating(field []float32, texture int, rng *rand.Rand) {
	sin, cos := math.Sincos(math.Pi * float64(texture) / 10)
	phase := 2 * math.Pi * rng.Float64()
	for i := range field {
		y, x := float64(i/side), float64(i%side)
		field[i] = float32(0.5*math.Sin(2*math.Pi*0.2*(cos*x+sin*y)+phase) + 0.2*rng.NormFloat64())
	}
}

// pictures are made-up examples whose parts are still apart, so that a view can leave
// the digit out.
type pictures struct {
	parts  []float32 // [N, 2, side, side]
	digit  []int32
	label  []int32 // that training sees; nil: none
	group  []int32 // of spurious pictures
	labels int
	mixed  bool // the parts are channels of one picture, and not added up
}

// textured are digits on textures. coarse labels them by whether they are below 5.
func textured(seed uint64, n int, coarse bool) *pictures {
	rng := rand.New(rand.NewPCG(seed, 81))
	p := &pictures{labels: 2}
	for range n {
		x := make([]float32, 2*pixels)
		d := rng.IntN(digits)
		grating(x[:pixels], rng.IntN(10), rng)
		draw(x[pixels:], d, rng)
		p.parts, p.digit = append(p.parts, x...), append(p.digit, int32(d))
		if coarse {
			p.label = append(p.label, int32(d/5))
		}
	}
	return p
}

// coloured are digits in one of two channels, the colour, which agrees with whether the
// digit is below 5 in a share of the pictures. The groups are label and colour; with
// a share of 0 all are equally large.
func coloured(seed uint64, n int, agree float64) *pictures {
	rng := rand.New(rand.NewPCG(seed, 91))
	p := &pictures{labels: 2, mixed: true}
	for i := range n {
		x := make([]float32, 2*pixels)
		for k := range x {
			x[k] = float32(0.1 * rng.NormFloat64())
		}
		d := rng.IntN(digits)
		label := d / 5
		colour := label
		switch {
		case agree == 0:
			label, colour = i%2, i/2%2
			d = 5*label + rng.IntN(5)
		case rng.Float64() > agree:
			colour = 1 - label
		}
		clean := make([]float32, pixels)
		draw(clean, d, rng)
		for k, v := range clean {
			x[colour*pixels+k] += v
		}
		p.parts, p.digit = append(p.parts, x...), append(p.digit, int32(d))
		p.label, p.group = append(p.label, int32(label)), append(p.group, int32(2*label+colour))
	}
	return p
}

// set is the pictures as training reads them.
func (p *pictures) set() (dataset.Set, error) {
	return dataset.NewTable(p.parts, []int{2 * pixels}, p.label, p.labels)
}

// inputs is how many numbers a network sees of a picture.
func (p *pictures) inputs() int {
	if p.mixed {
		return 2 * pixels
	}
	return pixels
}

// show appends what a network sees of a picture: both channels, or the texture and the
// digit of a strength, moved by some pixels. What moves in from outside is as what
// stands at the edge.
func (p *pictures) show(dst, x []float32, strength float32, down, right int) []float32 {
	at := func(part, i int) float32 {
		r, c := i/side-down, i%side-right
		return x[part*pixels+min(max(r, 0), side-1)*side+min(max(c, 0), side-1)]
	}
	for part := range 2 {
		for i := range pixels {
			switch {
			case p.mixed:
				dst = append(dst, at(part, i))
			case part == 0:
				dst = append(dst, at(0, i)+strength*at(1, i))
			}
		}
	}
	return dst
}

// clean are the pictures as a probe reads them: not moved, without noise of a view.
func (p *pictures) clean(strength float32) []float32 {
	var x []float32
	for i := range p.digit {
		x = p.show(x, p.parts[i*2*pixels:(i+1)*2*pixels], strength, 0, 0)
	}
	return x
}

// view returns what makes a view of a picture: moved by a pixel at most, with noise, and
// with a probability without its digit.
func (p *pictures) view(strength float32, drop float64) func(dst, x []float32, rng *rand.Rand) []float32 {
	return func(dst, x []float32, rng *rand.Rand) []float32 {
		s := strength
		if rng.Float64() < drop {
			s = 0
		}
		from := len(dst)
		dst = p.show(dst, x, s, rng.IntN(3)-1, rng.IntN(3)-1)
		for i := range dst[from:] {
			dst[from+i] += float32(0.2 * rng.NormFloat64())
		}
		return dst
	}
}

// data is a representation of the pictures with what a probe is to tell.
func (p *pictures) data(z []float32, labels []int32, classes int) *probe.Data {
	return &probe.Data{X: z, Width: len(z) / len(labels), Labels: labels, Classes: classes, Group: p.group, Groups: 4 * min(1, len(p.group))}
}
