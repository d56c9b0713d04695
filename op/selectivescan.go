package op

import "github.com/micaml/mica/internal/kernel/act"

// SelectiveScan is the state-space recurrence S6 of Mamba (Gu & Dao 2023,
// algorithm 2, with the Euler step for B that their code takes). For channel e of
// E, with a state of N numbers:
//
//	h[t] = exp(delta[t,e] A[e]) h[t-1] + delta[t,e] u[t,e] B[t]
//	y[t,e] = <C[t], h[t]> + D[e] u[t,e],    A = -exp(alog)
//
// u, delta [T, E]; bc [T, 2N], B and C side by side; alog [E, N] and d [1, E]
// float32 -> [T, E]; d may be nil. Rows of different sequences are packed one
// after another: runs holds the number of rows of each, and state its h, [E*N],
// before the first and, when the op has run, after the last of them.
//
// A row depends on the rows before it, in order, so a sequence may come in pieces
// of any length. Gradients flow to every input and weight; a state that comes in
// is a constant. The forward pass keeps no states; the backward pass computes them
// again, and holds those of 64 rows and of one row in 64.
func SelectiveScan(c *Ctx, u, delta, bc Val, alog, d *Weight, runs []int32, state [][]float32) Val {
	y, ok := c.like("selective scan", u, delta)
	if !ok {
		return Val{}
	}
	s, z := c.Shape(u), c.Shape(bc)
	log, ok := alog.F32()
	switch {
	case !ok || alog.Rows != s.Width():
		return c.failf("selective scan", "%s is %v %d x %d for width %d", alog.Name, alog.DType, alog.Rows, alog.Cols, s.Width())
	case z.Rows() != s.Rows() || z.Width() != 2*alog.Cols:
		return c.failf("selective scan", "B and C are %v for %d rows and %d states", z, s.Rows(), alog.Cols)
	}
	var skip []float32
	if d != nil {
		if skip, ok = d.F32(); !ok || len(skip) != s.Width() {
			return c.failf("selective scan", "%s is %v %d x %d for width %d", d.Name, d.DType, d.Rows, d.Cols, s.Width())
		}
	}
	if err := checkRuns(s.Rows(), runs, state, len(log)); err != nil {
		return c.failf("selective scan", "%w", err)
	}
	aux := c.Out(MakeShape(1+len(runs), len(log)))
	if c.err != nil {
		return Val{}
	}
	kept := c.Data(aux) // A, and the states that came in
	act.ExpSum(kept[:len(log)], log, 0)
	act.Scale(kept[:len(log)], kept[:len(log)], -1)
	for r := range runs {
		copy(kept[(1+r)*len(log):], state[r])
	}
	t := &selective{width: s.Width(), n: alog.Cols, runs: runs, a: kept[:len(log)], d: skip, state: state,
		u: c.Data(u), delta: c.Data(delta), bc: c.Data(bc), y: c.Data(y), work: make([]selectiveWork, c.pool.Workers())}
	c.pool.For(t.blocks(), 1, t)
	return c.record(Entry{Op: selectiveScanOp{}, Out: y, In: [3]Val{u, delta, bc}, W: alog, B: d, Attr: Attr{IDs: runs, Aux: aux}})
}

const (
	selectiveChannels = 16 // that go through time together: a block
	selectiveRows     = 64 // whose states the backward pass holds at a time
)

// selective is a loop over blocks of channels, which don't depend on each other.
type selective struct {
	width, n     int // E, N
	runs         []int32
	a, d         []float32
	u, delta, bc []float32
	y            []float32
	state        [][]float32
	work         []selectiveWork

	// Of the backward pass; du and ddelta may be nil.
	back           bool
	first          []float32 // states that came in, [runs][E*N]
	dy, du, ddelta []float32
	dbc            []float32 // [blocks][T][2N]: of each block's channels
	dalog, dd      []float32
	addU, addDelta bool
}

// selectiveWork is the scratch of a worker; matrices are [channels of the block][N].
type selectiveWork struct {
	h, decay []float32
	// Backward: the states before each 64 rows of a run, and those of 64 rows and
	// their decays.
	bounds, hs, decays []float32
	carry, da          []float32
}

func (t *selective) blocks() int { return (t.width + selectiveChannels - 1) / selectiveChannels }

func (t *selective) Do(worker, lo, hi int) {
	w := &t.work[worker]
	if w.h == nil {
		w.h, w.decay = make([]float32, selectiveChannels*t.n), make([]float32, selectiveChannels*t.n)
	}
	for b := lo; b < hi; b++ {
		from, to := b*selectiveChannels, min((b+1)*selectiveChannels, t.width)
		if t.back {
			t.backward(w, b, from, to)
			continue
		}
		h, row := w.h[:(to-from)*t.n], 0
		for r, n := range t.runs {
			s := t.state[r][from*t.n : to*t.n]
			copy(h, s)
			for range n {
				t.step(h, w.decay[:len(h)], row, from, to)
				t.read(h, row, from, to)
				row++
			}
			copy(s, h)
		}
	}
}

// step takes the states of channels [from, to) over a row.
func (t *selective) step(h, decay []float32, row, from, to int) {
	n := t.n
	u, delta, b := t.u[row*t.width:], t.delta[row*t.width:], t.bc[row*2*n:][:n]
	for e := from; e < to; e++ {
		act.Scale(decay[(e-from)*n:][:n], t.a[e*n:][:n], delta[e])
	}
	act.ExpSum(decay, decay, 0)
	for e := from; e < to; e++ {
		x := float32(delta[e] * u[e])
		he, de := h[(e-from)*n:][:n], decay[(e-from)*n:][:n]
		for i := range he {
			he[i] = float32(de[i]*he[i]) + float32(x*b[i])
		}
	}
}

func (t *selective) read(h []float32, row, from, to int) {
	n := t.n
	c := t.bc[row*2*n+n:][:n]
	for e := from; e < to; e++ {
		y := act.Dot(c, h[(e-from)*n:][:n])
		if t.d != nil {
			y += float32(t.d[e] * t.u[row*t.width+e])
		}
		t.y[row*t.width+e] = y
	}
}

type selectiveScanOp struct{}

func (selectiveScanOp) Name() string { return "selective-scan" }

func (selectiveScanOp) Backward(c *Ctx, e *Entry, g Grads) {
	s, n := c.Shape(e.Out), e.W.Cols
	kept := c.Data(e.Attr.Aux)
	t := &selective{width: s.Width(), n: n, runs: e.Attr.IDs, a: kept[:s.Width()*n], first: kept[s.Width()*n:], back: true,
		u: c.Data(e.In[0]), delta: c.Data(e.In[1]), bc: c.Data(e.In[2]), dy: g.Of(e.Out),
		dalog: e.W.Grad, dd: e.B.grad(), work: make([]selectiveWork, c.pool.Workers())}
	if e.B != nil {
		t.d, _ = e.B.F32()
	}
	t.du, t.addU = g.Set(e.In[0])
	t.ddelta, t.addDelta = g.Set(e.In[1])
	dbc := g.Into(e.In[2])
	scope := c.Open()
	t.dbc = c.Data(c.Out(MakeShape(t.blocks(), s.Rows(), 2*n)))
	if c.err != nil {
		return
	}
	c.pool.For(t.blocks(), 1, t)
	if dbc != nil {
		c.rows(s.Rows(), rowLoop{row: sumBlocksRow, width: 2 * n, dst: dbc, x: t.dbc})
	}
	c.Close(scope)
}

// sumBlocksRow adds what the blocks of channels have for a row, in order.
func sumBlocksRow(t *rowLoop, i int) {
	d := t.of(t.dst, i)
	for at := i * t.width; at < len(t.x); at += len(t.dst) {
		act.Add(d, d, t.x[at:at+t.width])
	}
}

// backward walks each run backwards, 64 rows at a time.
func (t *selective) backward(w *selectiveWork, block, from, to int) {
	size := (to - from) * t.n
	if w.hs == nil {
		most := selectiveChannels * t.n
		w.hs, w.decays = make([]float32, (selectiveRows+1)*most), make([]float32, selectiveRows*most)
		w.carry, w.da = make([]float32, most), make([]float32, most)
	}
	da := w.da[:size]
	clear(da)
	end := len(t.dy) / t.width
	for r := len(t.runs) - 1; r >= 0; r-- {
		n := int(t.runs[r])
		start := end - n
		h := w.h[:size]
		copy(h, t.first[r*t.width*t.n+from*t.n:])
		w.bounds = w.bounds[:0]
		for row := range n {
			if row%selectiveRows == 0 {
				w.bounds = append(w.bounds, h...)
			}
			t.step(h, w.decay[:size], start+row, from, to)
		}
		clear(w.carry)
		for at := (n - 1) / selectiveRows * selectiveRows; at >= 0 && n > 0; at -= selectiveRows {
			rows := min(selectiveRows, n-at)
			copy(w.hs[:size], w.bounds[at/selectiveRows*size:])
			for i := range rows {
				copy(w.hs[(i+1)*size:(i+2)*size], w.hs[i*size:])
				t.step(w.hs[(i+1)*size:(i+2)*size], w.decays[i*size:(i+1)*size], start+at+i, from, to)
			}
			for i := rows - 1; i >= 0; i-- {
				t.stepBack(w, block, start+at+i, from, to, w.hs[i*size:(i+1)*size], w.hs[(i+1)*size:(i+2)*size], w.decays[i*size:(i+1)*size])
			}
		}
		end = start
	}
	if t.dalog != nil { // dA/dalog = A
		act.MulAdd(t.dalog[from*t.n:to*t.n], da, t.a[from*t.n:to*t.n])
	}
}

// stepBack is the gradient of a row, given the states before and after it.
func (t *selective) stepBack(w *selectiveWork, block, row, from, to int, before, after, decay []float32) {
	n := t.n
	b, c := t.bc[row*2*n:][:n], t.bc[row*2*n+n:][:n]
	part := t.dbc[(block*(len(t.dy)/t.width)+row)*2*n:]
	db, dc := part[:n], part[n:2*n]
	clear(part[:2*n])
	for e := from; e < to; e++ {
		at, k := row*t.width+e, (e-from)*n
		dy, u, delta := t.dy[at], t.u[at], t.delta[at]
		carry, da := w.carry[k:k+n], w.da[k:k+n]
		prev, h, de := before[k:k+n], after[k:k+n], decay[k:k+n]
		a := t.a[e*n : e*n+n]
		x := float32(delta * u)
		dx, ddelta := float32(0), float32(0)
		for i := range carry {
			dc[i] += float32(dy * h[i])
			d := carry[i] + float32(dy*c[i]) // with respect to h
			dx += float32(d * b[i])
			db[i] += float32(d * x)
			p := float32(float32(d*prev[i]) * de[i]) // with respect to delta*A
			ddelta += float32(p * a[i])
			da[i] += float32(p * delta)
			carry[i] = float32(d * de[i])
		}
		if t.ddelta != nil {
			put(t.ddelta, at, ddelta+float32(dx*u), t.addDelta)
		}
		if t.du != nil {
			du := float32(dx * delta)
			if t.d != nil {
				du += float32(t.d[e] * dy)
			}
			put(t.du, at, du, t.addU)
		}
		if t.dd != nil {
			t.dd[e] += float32(dy * u)
		}
	}
}

// put sets dst[i] to x, or adds it.
func put(dst []float32, i int, x float32, add bool) {
	if add {
		x += dst[i]
	}
	dst[i] = x
}

// Cost counts an exponential as one operation.
func (selectiveScanOp) Cost(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.Out).Len())
	return Cost{Flops: 7 * n * int64(e.W.Cols), Bytes: 4 * (3*n + int64(c.Shape(e.In[2]).Len()))}
}
