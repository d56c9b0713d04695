package op

import (
	"math"

	"github.com/micaml/mica/internal/kernel/act"
)

// Ignore is the target of rows that don't count in a loss, PyTorch's
// ignore_index.
const Ignore = -100

// CrossEntropy is the mean over rows of -log softmax(x)[target], in nats.
// x [T, V], targets of length T, of which [Ignore] is left out -> [1]. With
// every target ignored the loss is 0.
func CrossEntropy(c *Ctx, x Val, targets []int32) Val {
	s := c.Shape(x)
	if s.Rows() != len(targets) {
		return c.failf("cross-entropy", "%d targets for %d rows", len(targets), s.Rows())
	}
	n, v := 0, s.Width()
	for i, t := range targets {
		if t == Ignore {
			continue
		}
		if t < 0 || int(t) >= v {
			return c.failf("cross-entropy", "target %d at row %d is not in [0, %d)", t, i, v)
		}
		n++
	}
	y, p := c.Out(MakeShape(1)), c.Out(s)
	if c.err != nil {
		return Val{}
	}
	xd, pd := c.Data(x), c.Data(p)
	sum := 0.0 // float64 and in row order: the loss of an epoch is a long sum
	for i, t := range targets {
		row, prob := xd[i*v:(i+1)*v], pd[i*v:(i+1)*v]
		top, total := act.Softmax(prob, row)
		if t != Ignore {
			sum += math.Log(float64(total)) + float64(top) - float64(row[t])
		}
	}
	c.Data(y)[0] = float32(sum / float64(max(n, 1)))
	return c.record(Entry{Op: crossEntropyOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: targets, N: n, Aux: p}})
}

type crossEntropyOp struct{}

func (crossEntropyOp) Name() string { return "cross-entropy" }

func (crossEntropyOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, p := g.Into(e.In[0]), c.Data(e.Attr.Aux)
	v := c.Shape(e.In[0]).Width()
	f := g.Of(e.Out)[0] / float32(max(e.Attr.N, 1))
	for i, t := range e.Attr.IDs {
		if t == Ignore {
			continue
		}
		d := dx[i*v : (i+1)*v]
		for j, q := range p[i*v : (i+1)*v] {
			d[j] += float32(f * q)
		}
		d[t] -= f
	}
}

func (crossEntropyOp) Cost(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.In[0]).Len())
	return Cost{Flops: 4 * n, Bytes: 8 * n}
}
