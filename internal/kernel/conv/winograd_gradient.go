package conv

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/par"
)

// A strip's tiles are the terms of a chain, and the sums are read and written in
// each: more than the tiles of a strip of a result.
const (
	gradientLeast = 48
	gradientMost  = 128
)

// winogradGradient is the gradient of weights of Winograd's convolution, which is
// linear in the transformed weights: number xi of their gradient is the product of
// numbers xi of the transformed tiles of dy and of x. It is a loop for the pool over
// parts of the tiles, times blocks of output channels, and then over the rows of dw.
type winogradGradient struct {
	tier    cpu.Tier
	k       *winogradKernels
	x, dy   plane
	dw      []float32
	total   int // tiles of all images
	in, out int // channels; in padded
	strip   int // tiles of one
	count   int // parts
	blocks  int
	block   int       // output channels of one
	parts   []float32 // [count][16][out][in]
	room    int
	bufs    [][]float32
	strips  []tileStrip
	adding  bool
}

func (g *winogradGradient) run(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, dw, dy, x []float32) {
	h, w := sh.axes()
	g.tier, g.k, g.dw = t, &tier(t).winograd, dw
	g.x, g.dy = planes(h, w, x, sh.In, dy, sh.Out)
	g.in, g.out = gemm.Pad(sh.In), sh.Out
	g.total = sh.N * g.x.down * g.x.over
	size := numbers * g.out * g.in
	g.count = min(maxParts, max(g.total/gradientMost, min(4, g.total/gradientLeast)), gradientFloats/size)
	if g.count > 4 {
		g.count -= g.count % 4 // which cores share evenly
	}
	g.count = max(1, g.count)
	part := ceil(g.total, g.count)
	g.strip = ceil(part, ceil(part, gradientMost))
	g.blocks, g.block = 1, g.out
	if g.count < maxParts/2 {
		g.block = gradientBlock
		g.blocks = ceil(g.out, g.block)
	}
	g.parts = grow(&s.parts, g.count*size)
	g.room = max(g.x.border(), g.dy.border())
	s.forWorkers(p, g.room+numbers*(apart(g.strip, g.in)+apart(g.strip, gemm.Pad(g.block))))
	g.bufs = s.tiles
	for len(g.strips) < p.Workers() {
		g.strips = append(g.strips, tileStrip{})
	}
	p.For(g.count*g.blocks, 1, g)
	g.adding = true
	p.For(g.out, 4, g)
	clear(g.strips)
	*g = winogradGradient{strips: g.strips}
}

func (g *winogradGradient) Do(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		if g.adding {
			g.sum(i)
		} else {
			g.part(&g.strips[worker], g.bufs[worker], i/g.blocks, i%g.blocks)
		}
	}
}

// part adds up the strips of a part, in order, for a block of output channels.
func (g *winogradGradient) part(s *tileStrip, buf []float32, part, block int) {
	dy := g.dy
	dy.from = block * g.block
	dy.channels = min(g.block, g.out-dy.from)
	width := gemm.Pad(dy.channels)
	tiles := buf[g.room:]
	grads := tiles[numbers*apart(g.strip, g.in):]
	first, end := part*g.total/g.count, (part+1)*g.total/g.count
	for lo := first; lo < end; lo += g.strip {
		hi := min(end, lo+g.strip)
		s.xi, s.tile = apart(g.strip, g.in), g.in
		g.x.read(g.k.input, s, buf, tiles, lo, hi)
		s.xi, s.tile = apart(g.strip, width), width
		dy.read(g.k.gradient, s, buf, grads, lo, hi)
		for xi := range numbers {
			gemm.Tile(g.tier, dy.channels, g.x.channels, hi-lo, grads[xi*apart(g.strip, width):], 1, width, tiles[xi*apart(g.strip, g.in):], g.in,
				g.parts[((part*numbers+xi)*g.out+dy.from)*g.in:], g.in, lo > first)
		}
	}
}

// sum adds the parts up and transforms them, for an output channel.
func (g *winogradGradient) sum(o int) {
	size := g.out * g.in
	for p := 1; p < g.count; p++ {
		for xi := range numbers {
			to := g.parts[xi*size+o*g.in:][:g.x.channels]
			act.Add(to, to, g.parts[(p*numbers+xi)*size+o*g.in:][:g.x.channels])
		}
	}
	n := g.x.channels
	dw, m := g.dw[o*9*n:], g.parts[o*g.in:]
	need("dw", len(dw), 9*n)
	need("sums of dw", len(m), (numbers-1)*size+g.in)
	g.k.filterGradient(dw, n, m, size, n)
}
