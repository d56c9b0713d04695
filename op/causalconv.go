package op

import "github.com/micaml/mica/internal/kernel/act"

// CausalConv is a convolution over the rows of each sequence, channel by channel,
// whose result depends on a row and the K-1 rows before it:
//
//	y[t] = sum over k of w[k] x[t-K+1+k]
//
// x [T, D], w [D, K] float32 -> [T, D]. Rows of different sequences are packed one
// after another: runs holds the number of rows of each, and state its K-1 rows
// before the first and, when the op has run, the last K-1, [(K-1)*D], the oldest
// first; zeros stand before a sequence. Unlike [Conv] with [Causal], sequences may
// be of any length and come in pieces of any length. The bias is Bias.
//
// Gradients flow to x and w; a state that comes in is a constant.
func CausalConv(c *Ctx, x Val, w *Weight, runs []int32, state [][]float32) Val {
	s := c.Shape(x)
	if c.err != nil {
		return Val{}
	}
	kernel, ok := w.F32()
	if !ok || w.Rows != s.Width() || w.Cols < 1 {
		return c.failf("causal conv", "%s is %v %d x %d for width %d", w.Name, w.DType, w.Rows, w.Cols, s.Width())
	}
	width, before := s.Width(), w.Cols-1
	if err := checkRuns(s.Rows(), runs, state, before*width); err != nil {
		return c.failf("causal conv", "%w", err)
	}
	y, taps := c.Out(s), c.Out(MakeShape(w.Cols, width))
	all := c.Out(MakeShape(s.Rows()+len(runs)*before, width)) // x with each run's state before it
	if c.err != nil {
		return Val{}
	}
	transpose(c.Data(taps), kernel, w.Rows, w.Cols)
	xd, yd, at := c.Data(x), c.Data(y), c.Data(all)
	for r, n := range runs {
		size := int(n) * width
		copy(at, state[r])
		copy(at[before*width:], xd[:size])
		copy(state[r], at[size:size+before*width])
		clear(yd[:size])
		for i := 0; i < size; i += width {
			for k := range w.Cols {
				act.MulAdd(yd[i:i+width], at[i+k*width:i+(k+1)*width], c.Data(taps)[k*width:(k+1)*width])
			}
		}
		xd, yd, at = xd[size:], yd[size:], at[size+before*width:]
	}
	return c.record(Entry{Op: causalConvOp{}, Out: y, In: [3]Val{x}, W: w, Attr: Attr{IDs: runs, Aux: all}})
}

// transpose writes x, [rows][cols], as [cols][rows].
func transpose(dst, x []float32, rows, cols int) {
	for i := range rows {
		for j := range cols {
			dst[j*rows+i] = x[i*cols+j]
		}
	}
}

type causalConvOp struct{}

func (causalConvOp) Name() string { return "causal-conv" }

func (causalConvOp) Backward(c *Ctx, e *Entry, g Grads) {
	width, taps := c.Shape(e.Out).Width(), e.W.Cols
	dy, dx := g.Of(e.Out), g.Into(e.In[0])
	kernel, _ := e.W.F32()
	scope := c.Open()
	w, dw := c.Out(MakeShape(taps, width)), c.Out(MakeShape(taps, width))
	if c.err != nil {
		return
	}
	wd, dwd, at := c.Data(w), c.Data(dw), c.Data(e.Attr.Aux)
	transpose(wd, kernel, width, taps)
	clear(dwd)
	for _, n := range e.Attr.IDs {
		size := int(n) * width
		for i := 0; i < size; i += width {
			for k := range taps {
				from := i - (taps-1-k)*width // in the run
				if dx != nil && from >= 0 {
					act.MulAdd(dx[from:from+width], dy[i:i+width], wd[k*width:(k+1)*width])
				}
				if e.W.Grad != nil {
					act.MulAdd(dwd[k*width:(k+1)*width], dy[i:i+width], at[i+k*width:i+(k+1)*width])
				}
			}
		}
		dy, at = dy[size:], at[size+(taps-1)*width:]
		if dx != nil {
			dx = dx[size:]
		}
	}
	for k := range taps {
		for j := 0; j < width && e.W.Grad != nil; j++ {
			e.W.Grad[j*taps+k] += dwd[k*width+j]
		}
	}
	c.Close(scope)
}

func (causalConvOp) Cost(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.Out).Len())
	return Cost{Flops: 2 * n * int64(e.W.Cols), Bytes: 8 * n}
}
