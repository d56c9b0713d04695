package op

import "github.com/micaml/mica/internal/kernel/norm"

// Running is what batch normalisation knows of its input from training: each
// column's mean and variance, [D], a mean over the batches in which older ones
// fade.
type Running struct {
	Mean, Var []float32
	// Momentum is the share of the newest batch; 0 means 0.1.
	Momentum float32
}

// NewRunning returns the state before training, as in PyTorch: means of 0 and
// variances of 1 for width columns.
func NewRunning(width int) *Running {
	r := &Running{Mean: make([]float32, width), Var: make([]float32, width)}
	for i := range r.Var {
		r.Var[i] = 1
	}
	return r
}

// update takes in a batch of rows with this mean and biased variance; what is kept
// is the unbiased one, as in PyTorch.
func (r *Running) update(mean, variance []float32, rows int) {
	m := r.Momentum
	if m == 0 {
		m = 0.1
	}
	unbiased := float32(rows) / float32(rows-1)
	for i := range mean {
		r.Mean[i] += float32(m * (mean[i] - r.Mean[i]))
		r.Var[i] += float32(m * (float32(variance[i]*unbiased) - r.Var[i]))
	}
}

// BatchNorm is y = (x - mean) / sqrt(var + eps) * w + b for each column (Ioffe &
// Szegedy 2015). x [T, D], w and b [1, D] float32 -> [T, D]; b may be nil. For
// images the rows are the pixels of all images and the columns the channels.
//
// In training mean and variance are the batch's own, T must be 2 or more, and run
// takes them in; otherwise they are run's. In training a row's result depends on
// the others, so the promise of the same bits covers the batch as a whole.
func BatchNorm(c *Ctx, x Val, w, b *Weight, run *Running, eps float32, training bool) Val {
	s := c.Shape(x)
	width, rows := s.Width(), s.Rows()
	gain, bias, ok := c.gainAndBias("batch norm", w, b, width)
	if !ok {
		return Val{}
	}
	if run == nil {
		return c.failf("batch norm", "no running statistics")
	}
	if len(run.Mean) != width || len(run.Var) != width {
		return c.failf("batch norm", "%d running means and %d variances for width %d", len(run.Mean), len(run.Var), width)
	}
	if training && rows < 2 {
		return c.failf("batch norm", "training on %d rows, which have no variance", rows)
	}
	y, m := c.Out(s), c.Out(MakeShape(2, width))
	if c.err != nil {
		return Val{}
	}
	mean, variance := c.Data(m)[:width], c.Data(m)[width:]
	cells := norm.Cells{Rows: rows, Width: width, Groups: width}
	fixed := 0
	if training {
		norm.Moments(c.pool, &c.kernels.norm, mean, variance, c.Data(x), cells)
		if !c.repeating {
			run.update(mean, variance, rows)
		}
	} else {
		copy(mean, run.Mean) // for the backward pass: run may move on before it
		copy(variance, run.Var)
		fixed = 1
	}
	norm.Standard(c.pool, &c.kernels.norm, c.Data(y), c.Data(x), mean, variance, gain, bias, cells, eps)
	return c.record(Entry{Op: batchNormOp{}, Out: y, In: [3]Val{x}, W: w, B: b, Attr: Attr{F: eps, N: fixed, Aux: m}})
}

type batchNormOp struct{}

func (batchNormOp) Name() string { return "batch-norm" }

func (batchNormOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.Out)
	c.standardBackward(e, g, norm.Cells{Rows: s.Rows(), Width: s.Width(), Groups: s.Width()}, e.Attr.N == 1)
}

// standardBackward is the backward pass of a normalisation whose means and
// variances are in Aux, one after the other.
func (c *Ctx) standardBackward(e *Entry, g Grads, cells norm.Cells, fixed bool) {
	gain, _ := e.W.F32()
	m := c.Data(e.Attr.Aux)
	dx, add := g.Set(e.In[0])
	norm.StandardBackward(c.pool, &c.kernels.norm, dx, e.W.grad(), e.B.grad(), g.Of(e.Out), c.Data(e.In[0]),
		m[:len(m)/2], m[len(m)/2:], gain, cells, e.Attr.F, fixed, add)
}

func (batchNormOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 6, 3-int64(e.Attr.N)) }
