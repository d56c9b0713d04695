package conv

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/par"
)

const lanes = gemm.Lanes

// rows is a depthwise convolution, or one phase of an adjoint, row by row.
type rows struct {
	k          *kernels
	h, w       Axis
	x, y       []float32
	c          int // channels of x and y
	kernel     []float32
	ldw        int // from a tap to the next; lane = channel
	outH, outW int
	fromH      int
	fromW      int
	everyH     int
	everyW     int
	add        bool
	whole      bool // a row of the result is one strip
}

// row computes row i of an image.
func (r *rows) row(s *strip, image, i int) {
	alo, ahi := r.h.Clip(i)
	y := r.y[((image*r.outH+r.fromH+i*r.everyH)*r.outW+r.fromW)*r.c:]
	if r.whole && alo < ahi {
		r.wholeRow(s, y, image, i, alo, ahi)
		return
	}
	left, right := r.w.Inner()
	three := r.w.Taps == 3 && r.w.Stride == 1 && r.w.Step == 1 && left < right
	for c := 0; c < r.c; c += lanes {
		*s = strip{ys: r.everyW * r.c, xs: r.w.Stride * r.c, xrow: r.h.Step * r.w.Size * r.c, xtap: r.w.Step * r.c,
			wrow: r.w.Taps * r.ldw, wtap: r.ldw, kh: ahi - alo, channels: min(lanes, r.c-c), add: r.add}
		for j := 0; j < r.w.N; {
			n, lo, hi := 1, 0, r.w.Taps
			s.left, s.right = false, false
			if j >= left && j < right {
				n = right - j
			} else {
				lo, hi = r.w.Clip(j)
				if s.left = three && j == left-1 && lo == 1; s.left {
					n, hi = right-j, r.w.Taps // the inner ones with it
				}
			}
			if three && j+n == right && right < r.w.N {
				if _, taps := r.w.Clip(right); taps == 2 {
					s.right, n = true, n+1
				}
			}
			if s.kh <= 0 || lo >= hi {
				r.nothing(y[j*s.ys+c:], n, s.channels)
				j += n
				continue
			}
			s.y, s.n, s.kw = y[j*s.ys+c:], n, hi-lo
			s.x = r.x[((image*r.h.Size+r.h.At(i, alo))*r.w.Size+r.w.At(j, lo))*r.c+c:]
			f := r.k.depthwise
			if three && n > 1 {
				f, s.kw, lo = r.k.three, 3, 0
			}
			s.w = r.kernel[(alo*r.w.Taps+lo)*r.ldw+c:]
			s.check()
			f(s)
			j += n
		}
	}
}

// wholeRow computes a row that is one strip: what is alike for all channels is set
// up once, for a row of one strip takes no longer than the calls of a few functions.
func (r *rows) wholeRow(s *strip, y []float32, image, i, alo, ahi int) {
	left, right := r.w.Inner()
	lo, _ := r.w.Clip(0)
	*s = strip{ys: r.everyW * r.c, xs: r.c, xrow: r.h.Step * r.w.Size * r.c, xtap: r.c, wrow: 3 * r.ldw, wtap: r.ldw,
		kh: ahi - alo, kw: 3, n: r.w.N, add: r.add, left: left > 0, right: right < r.w.N}
	x, w := r.x[((image*r.h.Size+r.h.At(i, alo))*r.w.Size+r.w.At(0, lo))*r.c:], r.kernel[alo*3*r.ldw:]
	for c := 0; c < r.c; c += lanes {
		s.y, s.x, s.w, s.channels = y[c:], x[c:], w[c:], min(lanes, r.c-c)
		s.check()
		r.k.three(s)
	}
}

// nothing is a sum without terms.
func (r *rows) nothing(y []float32, n, channels int) {
	if r.add {
		return
	}
	for i := range n {
		clear(y[i*r.everyW*r.c:][:channels])
	}
}

// depthwise is a depthwise convolution as a loop for the pool, over rows of
// pixels; or the gradient of its weights, over parts of them and then their sum.
type depthwise struct {
	rows
	strips []strip // one for each worker
	grads  []gradStrip
	dy     []float32
	parts  []float32
	count  int
	dw     []float32
	n      int
	adding bool
}

func (d *depthwise) start(p *par.Pool, t cpu.Tier, r rows) {
	d.k = tier(t)
	r.k, d.dy = d.k, nil
	r.whole = r.w.Stride == 1 && r.w.Step == 1 && r.w.sides()
	d.rows = r
	for len(d.strips) < p.Workers() {
		d.strips = append(d.strips, strip{})
		d.grads = append(d.grads, gradStrip{})
	}
}

// grain is how many rows a core takes at a time: some microseconds of work.
func (d *depthwise) grain() int { return 1 + 36<<10/(d.w.N*d.c*d.h.Taps*d.w.Taps) }

// stop holds on to nothing of the caller's.
func (d *depthwise) stop() {
	clear(d.strips)
	clear(d.grads)
	*d = depthwise{strips: d.strips, grads: d.grads}
}

func (d *depthwise) forward(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, y, x, w []float32, add bool) {
	h, wd := sh.axes()
	ldw := gemm.Pad(sh.In)
	panel := grow(&s.panels, sh.Terms()*ldw)
	gemm.Transpose(t, panel, ldw, w, sh.Terms(), sh.In, sh.Terms())
	d.start(p, t, rows{h: h, w: wd, x: x, y: y, c: sh.In, kernel: panel, ldw: ldw, outH: sh.OutH, outW: sh.OutW, everyH: 1, everyW: 1, add: add})
	p.For(sh.N*h.N, d.grain(), d)
	d.stop()
}

func (d *depthwise) adjoint(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, h, wd phase, dx, dy, w []float32, add bool) {
	ldw := gemm.Pad(sh.In)
	panel := grow(&s.panels, h.Taps*wd.Taps*ldw)
	for a := range h.Taps {
		for b := range wd.Taps {
			row := panel[(a*wd.Taps+b)*ldw:][:ldw]
			tap := (h.tap-a*h.tapStep)*sh.KW + wd.tap - b*wd.tapStep
			for c := range sh.In {
				row[c] = w[c*sh.Terms()+tap]
			}
			clear(row[sh.In:])
		}
	}
	d.start(p, t, rows{h: h.Axis, w: wd.Axis, x: dy, y: dx, c: sh.In, kernel: panel, ldw: ldw, outH: sh.H, outW: sh.W,
		fromH: h.from, fromW: wd.from, everyH: h.every, everyW: wd.every, add: add})
	p.For(sh.N*h.N, d.grain(), d)
	d.stop()
}

func (d *depthwise) gradient(t cpu.Tier, p *par.Pool, s *Scratch, sh *Shape, dw, dy, x []float32) {
	h, wd := sh.axes()
	ldw := gemm.Pad(sh.In)
	size := sh.Terms() * ldw
	d.start(p, t, rows{h: h, w: wd, x: x, c: sh.In, ldw: ldw})
	d.dy, d.n, d.dw = dy, sh.N, dw
	d.count = min(maxParts, sh.N*h.N)
	d.parts = grow(&s.parts, 2*size*d.count) // a part's sum, and the sum of its row
	p.For(d.count, 1, d)
	d.adding = true
	d.Do(0, 0, 1) // some thousands of numbers
	d.stop()
}

func (d *depthwise) Do(worker, lo, hi int) {
	switch {
	case d.adding:
		d.sum()
	case d.dy != nil:
		for i := lo; i < hi; i++ {
			d.part(&d.grads[worker], i)
		}
	default:
		for i := lo; i < hi; i++ {
			d.row(&d.strips[worker], i/d.h.N, i%d.h.N)
		}
	}
}

// part sums over rows of pixels, a chain for each.
func (d *depthwise) part(s *gradStrip, part int) {
	size := d.h.Taps * d.w.Taps * d.ldw
	sum, line := d.parts[2*part*size:][:size], d.parts[(2*part+1)*size:][:size]
	clear(sum)
	total := d.n * d.h.N
	three := d.w.sides()
	top, bottom := d.h.Inner()
	end := (part + 1) * total / d.count
	for q := part * total / d.count; q < end; {
		image, i := q/d.h.N, q%d.h.N
		lines := 1
		if three && top <= i && i < bottom {
			lines = min(gradLines, bottom-i, end-q) // with all rows of the kernel
		}
		if three {
			d.lines(s, sum, image, i, lines)
		} else {
			clear(line)
			d.line(s, line, image, i)
			act.Add(sum, sum, line)
		}
		q += lines
	}
}

// gradLines is how many rows of pixels a kernel call has at most: with the rows
// around them they are still near when the next channels are taken.
const gradLines = 4

// lines adds to sum the sums of rows i, i+1, ... of an image, for kernels of three
// columns.
func (d *depthwise) lines(s *gradStrip, sum []float32, image, i, lines int) {
	left, right := d.w.Inner()
	lo, _ := d.w.Clip(0)
	alo, ahi := d.h.Clip(i)
	for a := alo; a < ahi; a += 3 {
		x := d.x[((image*d.h.Size+d.h.At(i, a))*d.w.Size+d.w.At(0, lo))*d.c:]
		dy := d.dy[(image*d.h.N+i)*d.w.N*d.c:]
		for c := 0; c < d.c; c += lanes {
			*s = gradStrip{dw: sum[a*3*d.ldw+c:], wtap: d.ldw, x: x[c:], xs: d.w.Stride * d.c, xtap: d.w.Step * d.c, dy: dy[c:], ys: d.c,
				taps: 3, n: d.w.N, channels: min(lanes, d.c-c), kh: min(3, ahi-a), xrow: d.h.Step * d.w.Size * d.c,
				lines: lines, xline: d.h.Stride * d.w.Size * d.c, yline: d.w.N * d.c, left: left > 0, right: right < d.w.N}
			s.check()
			d.k.gradThree(s)
		}
	}
}

// line sums over row i of an image, tap by tap.
func (d *depthwise) line(s *gradStrip, line []float32, image, i int) {
	left, right := d.w.Inner()
	alo, ahi := d.h.Clip(i)
	for a := alo; a < ahi; a++ {
		for c := 0; c < d.c; c += lanes {
			*s = gradStrip{wtap: d.ldw, xs: d.w.Stride * d.c, xtap: d.w.Step * d.c, ys: d.c, channels: min(lanes, d.c-c)}
			for j := 0; j < d.w.N; j += s.n {
				lo, hi := 0, d.w.Taps
				if s.n = 1; j >= left && j < right {
					s.n = right - j
				} else {
					lo, hi = d.w.Clip(j)
				}
				s.dy = d.dy[((image*d.h.N+i)*d.w.N+j)*d.c+c:]
				for b := lo; b < hi; b += s.taps {
					s.taps = min(3, hi-b)
					s.dw = line[(a*d.w.Taps+b)*d.ldw+c:]
					s.x = d.x[((image*d.h.Size+d.h.At(i, a))*d.w.Size+d.w.At(j, b))*d.c+c:]
					s.check()
					d.k.grad(s)
				}
			}
		}
	}
}

// sum adds the parts up, and to dw, whose rows are channels.
func (d *depthwise) sum() {
	taps := d.h.Taps * d.w.Taps
	size := taps * d.ldw
	all := d.parts[:size]
	for p := 1; p < d.count; p++ {
		act.Add(all, all, d.parts[2*p*size:][:size])
	}
	for c := range d.c {
		for t := range taps {
			d.dw[c*taps+t] += all[t*d.ldw+c]
		}
	}
}
