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
	return SmoothedCrossEntropy(c, x, targets, 0, nil)
}

// SmoothedCrossEntropy is CrossEntropy for targets that share smoothing, from 0 to
// 1, of their probability among all V classes (Szegedy et al. 2016, section 7), in
// a mean of rows that count by weights, of length T. nil weights are all 1; rows
// whose weights sum to 0 have a loss of 0.
func SmoothedCrossEntropy(c *Ctx, x Val, targets []int32, smoothing float32, weights []float32) Val {
	s := c.Shape(x)
	if s.Rows() != len(targets) {
		return c.failf("cross-entropy", "%d targets for %d rows", len(targets), s.Rows())
	}
	if weights != nil && len(weights) != len(targets) {
		return c.failf("cross-entropy", "%d weights for %d rows", len(weights), s.Rows())
	}
	if !(smoothing >= 0 && smoothing <= 1) {
		return c.failf("cross-entropy", "smoothing of %v is not in [0, 1]", smoothing)
	}
	y, stat := c.Out(MakeShape(1)), c.Out(MakeShape(len(targets), entropyStats))
	if c.err != nil {
		return Val{}
	}
	st, xd, v := c.Data(stat), c.Data(x), s.Width()
	total := 0.0
	for i, t := range targets {
		w := float32(1)
		if weights != nil {
			w = weights[i]
		}
		switch {
		case t == Ignore:
			w = 0
		case t < 0 || int(t) >= v:
			return c.failf("cross-entropy", "target %d at row %d is not in [0, %d)", t, i, v)
		case !(w >= 0) || math.IsInf(float64(w), 1):
			return c.failf("cross-entropy", "weight %v at row %d", w, i)
		}
		st[i*entropyStats+3] = w
		total += float64(w)
	}
	c.rows(len(targets), rowLoop{row: crossEntropyRow, width: v, x: xd, stat: st, ids: targets, f: smoothing})
	sum := 0.0 // float64 and in row order: the loss of an epoch is a long sum
	for i, t := range targets {
		if st := st[i*entropyStats:][:entropyStats]; st[3] != 0 {
			right := (1 - float64(smoothing)) * float64(xd[i*v+int(t)])
			loss := math.Log(float64(st[1])) + float64(st[0]) - right - float64(st[2])
			sum += loss * float64(st[3])
			st[3] = float32(float64(st[3]) / total)
		}
	}
	if total > 0 {
		sum /= total
	}
	c.Data(y)[0] = float32(sum)
	return c.record(Entry{Op: crossEntropyOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: targets, F: smoothing, Aux: stat}})
}

// entropyStats is how many numbers are kept of each row: its maximum and the sum of
// the exponentials above it, the share of the other classes in the loss, and the
// row's own share in the mean. The backward pass makes the probabilities again,
// which costs less than storing [T, V] of them.
const entropyStats = 4

func crossEntropyRow(t *rowLoop, i int) {
	st, x := t.stat[i*entropyStats:][:entropyStats], t.of(t.x, i)
	if st[3] == 0 {
		return
	}
	st[0], st[1] = act.LogSumExp(x)
	if st[2] = 0; t.f != 0 {
		st[2] = t.f / float32(len(x)) * act.Sum(x)
	}
}

type crossEntropyOp struct{}

func (crossEntropyOp) Name() string { return "cross-entropy" }

func (crossEntropyOp) Backward(c *Ctx, e *Entry, g Grads) {
	c.rows(len(e.Attr.IDs), rowLoop{row: crossEntropyBackwardRow, width: c.Shape(e.In[0]).Width(),
		dst: g.Into(e.In[0]), x: c.Data(e.In[0]), y: g.Of(e.Out), stat: c.Data(e.Attr.Aux), ids: e.Attr.IDs, f: e.Attr.F})
}

func crossEntropyBackwardRow(t *rowLoop, i int) {
	st, dx := t.stat[i*entropyStats:][:entropyStats], t.of(t.dst, i)
	if st[3] == 0 {
		return
	}
	f, id := t.y[0]*st[3], int(t.ids[i])
	act.CrossEntropyBackward(dx, t.of(t.x, i), id, st[0], st[1], f)
	if t.f == 0 {
		return
	}
	moved := t.f * f // from the target to all classes
	dx[id] += moved
	each := moved / float32(len(dx))
	for j := range dx {
		dx[j] -= each
	}
}

func (crossEntropyOp) Cost(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.In[0]).Len())
	return Cost{Flops: 3 * n, Bytes: 4 * n}
}
