package conv

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/par"
)

// panelCols is the columns of a panel: the widest register tile.
const panelCols = 64

// Scratch is the memory of the convolutions of a pass. The zero value is ready;
// it grows and then allocates no more. It must not be used by two at once.
type Scratch struct {
	panels   []float32   // the weights
	parts    []float32   // of a gradient of weights
	tiles    [][]float32 // one for each worker
	filters  []float32   // transformed
	dense    dense
	grad     gradient
	deep     depthwise
	wino     winograd
	winoGrad winogradGradient
}

func grow(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	return (*s)[:n]
}

func (s *Scratch) forWorkers(p *par.Pool, floats int) {
	for len(s.tiles) < p.Workers() {
		s.tiles = append(s.tiles, nil)
	}
	for i := range s.tiles {
		grow(&s.tiles[i], floats)
		s.tiles[i] = s.tiles[i][:cap(s.tiles[i])]
	}
}

// Forward sets y to the convolution of x with w, or adds it to y.
func Forward(p *par.Pool, s *Scratch, sh *Shape, y, x, w []float32, add bool) {
	forward(cpu.Kernels(), p, s, sh, y, x, w, add)
}

func forward(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, y, x, w []float32, add bool) {
	sh.check(len(x), len(y), len(w))
	if sh.depthwise() {
		s.deep.forward(t, p, s, sh, y, x, w, add)
		return
	}
	h, wd := sh.axes()
	s.dense = dense{tier: t, source: newSource(t, x, h, wd, sh.In, sh.Groups), n: sh.N, groups: sh.Groups, cols: sh.Out / sh.Groups,
		kernel: w, terms: sh.Terms(), y: y, add: add, width: sh.Out, outH: sh.OutH, outW: sh.OutW, everyH: 1, everyW: 1}
	if sh.winograd() {
		s.wino.run(p, s, &s.dense)
		return
	}
	s.dense.run(p, s)
}

// Adjoint sets dx to the adjoint of Forward applied to dy, or adds it: the
// gradient with respect to x, and the transposed convolution.
func Adjoint(p *par.Pool, s *Scratch, sh *Shape, dx, dy, w []float32, add bool) {
	adjoint(cpu.Kernels(), p, s, sh, dx, dy, w, add)
}

func adjoint(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, dx, dy, w []float32, add bool) {
	sh.check(len(dx), len(dy), len(w))
	for i := range min(sh.StrideH, sh.H) {
		for j := range min(sh.StrideW, sh.W) {
			h := phaseOf(i, sh.StrideH, sh.Top, sh.DilationH, sh.KH, sh.OutH, sh.H)
			wd := phaseOf(j, sh.StrideW, sh.Left, sh.DilationW, sh.KW, sh.OutW, sh.W)
			if h.Taps*wd.Taps == 0 {
				if !add {
					sh.zero(dx, i, j)
				}
				continue
			}
			if sh.depthwise() {
				s.deep.adjoint(t, p, s, sh, h, wd, dx, dy, w, add)
				continue
			}
			s.dense = dense{tier: t, source: newSource(t, dy, h.Axis, wd.Axis, sh.Out, sh.Groups), n: sh.N, groups: sh.Groups, cols: sh.In / sh.Groups,
				kernel: w, terms: sh.Terms(), back: true, h: h, w: wd, kw: sh.KW,
				y: dx, add: add, width: sh.In, outH: sh.H, outW: sh.W, fromH: i, fromW: j, everyH: sh.StrideH, everyW: sh.StrideW}
			if sh.winograd() {
				s.wino.run(p, s, &s.dense)
				continue
			}
			s.dense.run(p, s)
		}
	}
}

// zero clears the positions of dx that no tap falls on.
func (s *Shape) zero(dx []float32, i, j int) {
	for n := range s.N {
		for h := i; h < s.H; h += s.StrideH {
			for w := j; w < s.W; w += s.StrideW {
				clear(dx[((n*s.H+h)*s.W+w)*s.In:][:s.In])
			}
		}
	}
}

// dense is a convolution as a loop for the pool. First the weights are packed
// into panels of 64 columns; then an iteration is a tile of pixels, or, if there
// are few tiles, one panel of it.
type dense struct {
	tier         cpu.Tier
	source       source
	n            int // images
	groups, cols int // columns of a group
	kernel       []float32
	terms        int // of a row of kernel
	back         bool
	h, w         phase // if back
	kw           int
	y            []float32
	add          bool
	width        int // channels of y
	outH, outW   int
	fromH, fromW int
	everyH       int
	everyW       int

	packing   bool
	panels    []float32
	perGroup  int // panels
	split     int // iterations of a tile
	tileFloat [][]float32
}

// depth is the rows of a panel.
func (d *dense) depth() int { return d.source.run * d.source.runs }

func (d *dense) run(p *par.Pool, s *Scratch) {
	d.perGroup = (d.cols + panelCols - 1) / panelCols
	d.panels = grow(&s.panels, d.groups*d.depth()*gemm.Pad(d.cols))
	s.forWorkers(p, d.source.floats())
	d.tileFloat = s.tiles
	d.packing = true
	p.For(d.groups*d.perGroup, 1, d)
	d.packing = false
	tiles := d.n * d.source.tiles
	d.split = 1
	if tiles < 4*p.Workers() {
		d.split = d.groups * d.perGroup
	}
	p.For(tiles*d.split, 1, d)
	*d = dense{}
}

// panel returns panel i of a group, its columns and the length of its rows.
func (d *dense) panel(group, i int) (p []float32, cols, ldp int) {
	at := (group*gemm.Pad(d.cols) + i*panelCols) * d.depth()
	cols = min(panelCols, d.cols-i*panelCols)
	ldp = gemm.Pad(cols)
	return d.panels[at:][:d.depth()*ldp], cols, ldp
}

func (d *dense) Do(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		if d.packing {
			d.pack(i/d.perGroup, i%d.perGroup)
			continue
		}
		unit, part := i/d.split, i%d.split
		from, to := 0, d.groups*d.perGroup
		if d.split > 1 {
			from, to = part, part+1
		}
		d.tile(d.tileFloat[worker], unit/d.source.tiles, unit%d.source.tiles, from, to)
	}
}

// tile computes panels [from, to) of tile i of an image.
func (d *dense) tile(buf []float32, image, i, from, to int) {
	s := &d.source
	var t tile
	loaded := -1
	for q := from; q < to; q++ {
		group := q / d.perGroup
		if group != loaded {
			t, loaded = s.load(buf, image, i, group), group
		}
		panel, cols, ldp := d.panel(group, q%d.perGroup)
		col := group*d.cols + q%d.perGroup*panelCols
		at := func(row int) int {
			return ((image*d.outH+d.fromH+(t.from+row)*d.everyH)*d.outW+d.fromW)*d.width + col
		}
		ldc := d.everyW * d.width
		for r := range s.runs {
			p, off, add := panel[r*s.run*ldp:], s.offset(r), d.add || r > 0
			if t.joined && d.everyW == 1 && d.everyH == 1 && s.w.N == d.outW {
				gemm.Tile(d.tier, t.rows*s.w.N, cols, s.run, t.a[off:], t.stride, 1, p, ldp, d.y[at(0):], ldc, add)
				continue
			}
			for row := range t.rows {
				gemm.Tile(d.tier, s.w.N, cols, s.run, t.a[off+row*t.row:], t.stride, 1, p, ldp, d.y[at(row):], ldc, add)
			}
		}
	}
}

// pack makes a panel of the weights.
func (d *dense) pack(group, i int) {
	p, cols, ldp := d.panel(group, i)
	if !d.back {
		gemm.Transpose(d.tier, p, ldp, d.kernel[(group*d.cols+i*panelCols)*d.terms:], d.terms, cols, d.terms)
		return
	}
	// Row (tap, output channel) of the panel is the input channels of that tap
	// in a row of weights.
	outs := d.source.channels
	k := 0
	for a := range d.h.Taps {
		for b := range d.w.Taps {
			tap := (d.h.tap-a*d.h.tapStep)*d.kw + d.w.tap - b*d.w.tapStep
			for o := range outs {
				row := p[k*ldp:][:ldp]
				few(row[:cols], d.kernel[(group*outs+o)*d.terms+tap*d.cols+i*panelCols:])
				clear(row[cols:])
				k++
			}
		}
	}
}

// gradientBlock is how many output channels an iteration has if there are few
// parts, and gradientFloats what all parts hold, about.
const (
	maxParts       = 16
	gradientBlock  = 48
	gradientFloats = 1 << 20
)

// Gradient adds to dw the gradient with respect to the weights.
func Gradient(p *par.Pool, s *Scratch, sh *Shape, dw, dy, x []float32) {
	weightGradient(cpu.Kernels(), p, s, sh, dw, dy, x)
}

func weightGradient(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, dw, dy, x []float32) {
	sh.check(len(x), len(dy), len(dw))
	if sh.depthwise() {
		s.deep.gradient(t, p, s, sh, dw, dy, x)
		return
	}
	if sh.winograd() {
		s.winoGrad.run(t, p, s, sh, dw, dy, x)
		return
	}
	h, w := sh.axes()
	g := &s.grad
	*g = gradient{tier: t, source: newSource(t, x, h, w, sh.In, sh.Groups), dw: dw, dy: dy,
		out: sh.Out, groups: sh.Groups, terms: sh.Terms()}
	if g.source.direct && g.source.channels%gemm.Lanes != 0 {
		g.source.direct, g.source.patches = false, true // a panel is padded to 16 columns
	}
	g.tiles = sh.N * g.source.tiles
	size := sh.Out * g.terms
	g.count = min(g.tiles, max(1, min(maxParts, gradientFloats/size)))
	g.blocks = 1
	if g.count < maxParts/2 {
		g.blocks = (sh.Out/sh.Groups + gradientBlock - 1) / gradientBlock
	}
	g.parts = grow(&s.parts, g.count*size)
	s.forWorkers(p, g.source.floats())
	g.bufs = s.tiles
	p.For(g.count*g.groups*g.blocks, 1, g)
	g.adding = true
	p.For(size, 4096, g)
	*g = gradient{}
}

// gradient is the gradient of weights as a loop for the pool: parts of the images,
// times groups, times blocks of output channels; and then their sum.
type gradient struct {
	tier        cpu.Tier
	source      source
	dw, dy      []float32
	out, groups int
	terms       int
	tiles       int // of all images
	count       int // parts
	blocks      int
	parts       []float32
	bufs        [][]float32
	adding      bool
}

func (g *gradient) Do(worker, lo, hi int) {
	if g.adding {
		for p := range g.count {
			act.Add(g.dw[lo:hi], g.dw[lo:hi], g.parts[p*g.out*g.terms:][lo:hi])
		}
		return
	}
	for i := lo; i < hi; i++ {
		g.part(g.bufs[worker], i/(g.groups*g.blocks), i/g.blocks%g.groups, i%g.blocks)
	}
}

func (g *gradient) part(buf []float32, part, group, block int) {
	s := &g.source
	outs := g.out / g.groups
	from, to := 0, outs
	if g.blocks > 1 {
		from, to = block*gradientBlock, min(outs, (block+1)*gradientBlock)
	}
	first := part * g.tiles / g.count
	for q := first; q < (part+1)*g.tiles/g.count; q++ {
		image := q / s.tiles
		t := s.load(buf, image, q%s.tiles, group)
		col := group*outs + from
		dy := g.dy[(image*s.h.N+t.from)*s.w.N*g.out+col:]
		c := g.parts[(part*g.out+col)*g.terms:]
		for r := range s.runs {
			off, c := s.offset(r), c[r*s.run:]
			if t.joined {
				gemm.Tile(g.tier, to-from, s.run, t.rows*s.w.N, dy, 1, g.out, t.a[off:], t.stride, c, g.terms, q > first)
				continue
			}
			for row := range t.rows {
				gemm.Tile(g.tier, to-from, s.run, s.w.N, dy[row*s.w.N*g.out:], 1, g.out, t.a[off+row*t.row:], t.stride, c, g.terms, q > first || row > 0)
			}
		}
	}
}
