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
	y, stat := c.Out(MakeShape(1)), c.Out(MakeShape(len(targets), 2))
	if c.err != nil {
		return Val{}
	}
	st, xd := c.Data(stat), c.Data(x)
	c.rows(len(targets), rowLoop{row: crossEntropyRow, width: v, x: xd, stat: st, ids: targets})
	sum := 0.0 // float64 and in row order: the loss of an epoch is a long sum
	for i, t := range targets {
		if t != Ignore {
			sum += math.Log(float64(st[2*i+1])) + float64(st[2*i]) - float64(xd[i*v+int(t)])
		}
	}
	c.Data(y)[0] = float32(sum / float64(max(n, 1)))
	return c.record(Entry{Op: crossEntropyOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: targets, N: n, Aux: stat}})
}

// crossEntropyRow keeps a row's maximum and sum only: the backward pass makes
// the probabilities again, which costs less than storing [T, V] of them.
func crossEntropyRow(t *rowLoop, i int) {
	if t.ids[i] != Ignore {
		t.stat[2*i], t.stat[2*i+1] = act.LogSumExp(t.of(t.x, i))
	}
}

type crossEntropyOp struct{}

func (crossEntropyOp) Name() string { return "cross-entropy" }

func (crossEntropyOp) Backward(c *Ctx, e *Entry, g Grads) {
	c.rows(len(e.Attr.IDs), rowLoop{row: crossEntropyBackwardRow, width: c.Shape(e.In[0]).Width(),
		dst: g.Into(e.In[0]), x: c.Data(e.In[0]), stat: c.Data(e.Attr.Aux), ids: e.Attr.IDs,
		f: g.Of(e.Out)[0] / float32(max(e.Attr.N, 1))})
}

func crossEntropyBackwardRow(t *rowLoop, i int) {
	if id := t.ids[i]; id != Ignore {
		act.CrossEntropyBackward(t.of(t.dst, i), t.of(t.x, i), int(id), t.stat[2*i], t.stat[2*i+1], t.f)
	}
}

func (crossEntropyOp) Cost(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.In[0]).Len())
	return Cost{Flops: 3 * n, Bytes: 4 * n}
}
