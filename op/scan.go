package op

// Scan is the element-wise linear recurrence of state-space and gated
// recurrent layers: h[t] = a[t] * h[t-1] + x[t] for each channel. a, x
// [T, D] -> h [T, D]. Rows of different sequences are packed one after
// another: runs holds the number of rows of each, and state its h[-1] and,
// when the op has run, its last h, each [D].
//
// Gradients flow to a and x; a state that comes in is a constant. state is
// overwritten, unless the op fails.
func Scan(c *Ctx, a, x Val, runs []int32, state [][]float32) Val {
	h, ok := c.like("scan", a, x)
	if !ok {
		return Val{}
	}
	s := c.Shape(x)
	w := s.Width()
	if err := checkRuns(s.Rows(), runs, state, w); err != nil {
		return c.failf("scan", "%w", err)
	}
	first := c.Out(MakeShape(len(runs), w)) // the states that came in, for backward
	ad, xd, hd, fd := c.Data(a), c.Data(x), c.Data(h), c.Data(first)
	at := 0
	for r, n := range runs {
		copy(fd[r*w:], state[r])
		prev := state[r]
		for range n {
			for j := range w {
				hd[at+j] = float32(ad[at+j]*prev[j]) + xd[at+j]
			}
			prev = hd[at : at+w]
			at += w
		}
		copy(state[r], prev)
	}
	return c.record(Entry{Op: scanOp{}, Out: h, In: [3]Val{a, x}, Attr: Attr{IDs: runs, Aux: first}})
}

type scanOp struct{}

func (scanOp) Name() string { return "scan" }

func (scanOp) Backward(c *Ctx, e *Entry, g Grads) {
	dh, da, dx := g.Of(e.Out), g.Into(e.In[0]), g.Into(e.In[1])
	a, h, first := c.Data(e.In[0]), c.Data(e.Out), c.Data(e.Attr.Aux)
	w := c.Shape(e.Out).Width()
	end := c.Shape(e.Out).Rows()
	carry := make([]float32, w) // d loss / d h[t] through later steps
	for r := len(e.Attr.IDs) - 1; r >= 0; r-- {
		clear(carry)
		start := end - int(e.Attr.IDs[r])
		for t := end - 1; t >= start; t-- {
			prev := first[r*w : (r+1)*w]
			if t > start {
				prev = h[(t-1)*w : t*w]
			}
			for j := range w {
				i := t*w + j
				d := dh[i] + carry[j]
				if dx != nil {
					dx[i] += d
				}
				if da != nil {
					da[i] += float32(d * prev[j])
				}
				carry[j] = d * a[i]
			}
		}
		end = start
	}
}

func (scanOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 2, 3) }
