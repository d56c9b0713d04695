package conv

import (
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/par"
)

// numbers is how many numbers a transformed tile of 4x4 pixels has.
const numbers = 16

const (
	winogradChannels = 8        // that pay for the transforms, on either side
	winogradSide     = 4        // of images whose tiles are not mostly border
	winogradFloats   = 96 << 10 // of a strip, about: they stay in the second-level cache
	run              = 64       // channels that are a chain; 128 have twice the error, 64 cost a twentieth
	leastTiles       = 24       // of a strip, with which products are still fast
	mostTiles        = 128
)

// winograd tells whether Winograd's convolution is taken: by the geometry alone,
// never by how many images there are.
func (s *Shape) winograd() bool {
	return s.Groups == 1 && min(s.In, s.Out) >= winogradChannels && min(s.H, s.W, s.OutH, s.OutW) >= winogradSide &&
		s.KH == 3 && s.KW == 3 && s.StrideH == 1 && s.StrideW == 1 && s.DilationH == 1 && s.DilationW == 1
}

func half(n int) int { return ceil(n, 2) }

func ceil(n, by int) int { return (n + by - 1) / by }

// stripTiles is how many tiles make a strip.
func stripTiles(in, out int) int {
	return max(leastTiles, min(mostTiles, winogradFloats/(numbers*(in+out))))
}

// apart is the distance of a tile's numbers in a strip: not a power of two, at which
// the 16 would share a few places of the first-level cache.
func apart(tiles, channels int) int { return tiles*channels + lanes }

// planes returns x and y, or dy and dx, of a convolution by 3x3 as tiles.
func planes(h, w Axis, x []float32, in int, y []float32, out int) (from, to plane) {
	to = plane{pixels: y, h: h.N, w: w.N, width: out, channels: out, side: 2, down: half(h.N), over: half(w.N)}
	from = plane{pixels: x, h: h.Size, w: w.Size, width: in, channels: in, top: h.First, left: w.First, side: 4, down: to.down, over: to.over}
	return from, to
}

// winograd is a dense convolution as a loop for the pool. First the weights become
// panels and are transformed. Then an iteration is a strip of tiles; if there are
// few tiles the steps are loops of their own, which share the weights out.
type winograd struct {
	d        *dense
	k        *winogradKernels
	x, y     plane
	total    int // tiles of all images
	in, out  int // channels, padded
	filters  []float32
	strips   []tileStrip // one for each worker
	strip    int         // tiles of one
	room     int         // of the buffer for borders
	step     step
	products []float32 // of all tiles, if the steps are loops
	tiles    []float32
}

type step int

const (
	filtering step = iota
	whole
	reading
	multiplying
	writing
)

func (g *winograd) run(p *par.Pool, s *Scratch, d *dense) {
	src := &d.source
	g.d, g.k = d, &src.k.winograd
	g.x, g.y = planes(src.h, src.w, src.x, src.width, d.y, d.width)
	g.in, g.out = gemm.Pad(src.width), gemm.Pad(d.width)
	g.total = d.n * g.x.down * g.x.over
	for len(g.strips) < p.Workers() {
		g.strips = append(g.strips, tileStrip{})
	}
	d.perGroup = (d.cols + panelCols - 1) / panelCols
	d.panels = grow(&s.panels, d.depth()*g.out)
	g.filters = grow(&s.filters, numbers*(src.width*g.out+d.perGroup*lanes))
	// As many strips for each worker, four at least.
	turns := p.Workers() * max(4, ceil(g.total, p.Workers()*stripTiles(g.in, g.out)))
	g.strip = ceil(g.total, turns)
	g.room = max(g.x.border(), g.y.border())
	together := g.strip < leastTiles && p.Workers() > 1
	if together {
		s.forWorkers(p, g.room)
		g.tiles = grow(&s.parts, numbers*(apart(g.total, g.in)+apart(g.total, g.out)))
		g.products = g.tiles[numbers*apart(g.total, g.in):]
	} else {
		g.strip = max(g.strip, leastTiles)
		s.forWorkers(p, g.room+numbers*(apart(g.strip, g.in)+apart(g.strip, g.out)))
	}
	d.tileFloat = s.tiles
	g.loop(p, filtering, d.perGroup, 1)
	if together {
		g.loop(p, reading, g.total, 4)
		g.loop(p, multiplying, numbers*d.perGroup, 1)
		g.loop(p, writing, g.total, 4)
	} else {
		g.loop(p, whole, ceil(g.total, g.strip), 1)
	}
	clear(g.strips)
	*g, *d = winograd{strips: g.strips}, dense{}
}

func (g *winograd) loop(p *par.Pool, s step, n, grain int) {
	g.step = s
	p.For(n, grain, g)
}

func (g *winograd) Do(worker, lo, hi int) {
	s, buf := &g.strips[worker], g.d.tileFloat[worker]
	switch g.step {
	case filtering:
		for i := lo; i < hi; i++ {
			g.transform(i)
		}
	case whole:
		for i := lo; i < hi; i++ {
			from, to := i*g.strip, min(g.total, (i+1)*g.strip)
			tiles := buf[g.room:]
			products := tiles[numbers*apart(g.strip, g.in):]
			g.read(s, buf, tiles, from, to, g.strip)
			for xi := range numbers {
				for panel := range g.d.perGroup {
					g.multiply(tiles, products, xi, panel, to-from, g.strip)
				}
			}
			g.write(s, buf, products, from, to, g.strip)
		}
	case reading:
		g.read(s, buf, g.tiles[lo*g.in:], lo, hi, g.total)
	case multiplying:
		for i := lo; i < hi; i++ {
			g.multiply(g.tiles, g.products, i/g.d.perGroup, i%g.d.perGroup, g.total, g.total)
		}
	case writing:
		g.write(s, buf, g.products[lo*g.out:], lo, hi, g.total)
	}
}

// filter returns a panel's transformed weights and the distance of their numbers.
func (g *winograd) filter(panel, ldp int) (u []float32, xi int) {
	xi = apart(g.x.channels, ldp)
	return g.filters[panel*numbers*apart(g.x.channels, panelCols):][:numbers*xi], xi
}

// transform makes and transforms a panel of the weights.
func (g *winograd) transform(panel int) {
	g.d.pack(0, panel)
	p, _, ldp := g.d.panel(0, panel)
	n := g.x.channels * ldp
	u, xi := g.filter(panel, ldp)
	need("transformed weights", len(u), 15*xi+n)
	g.k.filter(u, xi, p, n, n)
}

// read transforms tiles [lo, hi) of x; there is room for so many.
func (g *winograd) read(s *tileStrip, buf, tiles []float32, lo, hi, room int) {
	s.xi, s.tile = apart(room, g.in), g.in
	g.x.read(g.k.input, s, buf, tiles, lo, hi)
}

// multiply sets number xi of n tiles, for the channels of a panel, to its products.
func (g *winograd) multiply(tiles, products []float32, xi, panel, n, room int) {
	_, cols, ldp := g.d.panel(0, panel)
	u, between := g.filter(panel, ldp)
	u = u[xi*between:]
	x, y := tiles[xi*apart(room, g.in):], products[xi*apart(room, g.out)+panel*panelCols:]
	for c := 0; c < g.x.channels; c += run {
		gemm.Tile(g.d.tier, n, cols, min(run, g.x.channels-c), x[c:], g.in, 1, u[c*ldp:], ldp, y, g.out, c > 0)
	}
}

// write makes tiles [lo, hi) of the result.
func (g *winograd) write(s *tileStrip, buf, products []float32, lo, hi, room int) {
	s.xi, s.tile = apart(room, g.out), g.out
	g.y.write(g.k.output, s, buf, products, lo, hi, g.d.add)
}
