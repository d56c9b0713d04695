package op

import "github.com/micaml/mica/internal/kernel/act"

// KL is the mean over rows of the divergence of q from p, sum(p (log p - log q)), in
// nats, for log-probabilities as [LogSoftmax] gives them (Kullback and Leibler
// 1951). logP, logQ [T, V] -> [1]. Where p is 0 nothing is added, whatever q is. The
// other direction is KL(c, logQ, logP). Gradients flow to both; a teacher is
// detached.
func KL(c *Ctx, logP, logQ Val) Val {
	if !c.sameLoss("kl", logP, logQ) {
		return Val{}
	}
	s := c.Shape(logP)
	y, p, stat := c.Out(MakeShape(1)), c.Out(s), c.Out(MakeShape(s.Rows()))
	if c.err != nil {
		return Val{}
	}
	sums := c.Data(stat)
	c.rows(s.Rows(), rowLoop{row: klRow, width: s.Width(), dst: c.Data(p), x: c.Data(logP), y: c.Data(logQ), stat: sums})
	total := 0.0
	for _, r := range sums {
		total += float64(r)
	}
	c.Data(y)[0] = float32(total / float64(s.Rows()))
	return c.record(Entry{Op: klOp{}, Out: y, In: [3]Val{logP, logQ}, Attr: Attr{Aux: p}})
}

func klRow(t *rowLoop, i int) {
	p, a, b := t.of(t.dst, i), t.of(t.x, i), t.of(t.y, i)
	act.ExpSum(p, a, 0)
	sum := 0.0
	for j, f := range p {
		if f != 0 {
			sum += float64(float64(f) * (float64(a[j]) - float64(b[j])))
		}
	}
	t.stat[i] = float32(sum)
}

type klOp struct{}

func (klOp) Name() string { return "kl" }

func (klOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.In[0])
	t := rowLoop{width: s.Width(), x: c.Data(e.In[0]), y: c.Data(e.In[1]), z: c.Data(e.Attr.Aux), f: g.Of(e.Out)[0] / float32(s.Rows())}
	if t.dst = g.Into(e.In[0]); t.dst != nil {
		t.row = klBackwardRow
		c.rows(s.Rows(), t)
	}
	if dq := g.Into(e.In[1]); dq != nil {
		c.eachScale(addScaled, dq, t.z, -t.f)
	}
}

// klBackwardRow adds f p (log p - log q + 1).
func klBackwardRow(t *rowLoop, i int) {
	d, a, b := t.of(t.dst, i), t.of(t.x, i), t.of(t.y, i)
	for j, p := range t.of(t.z, i) {
		if p != 0 {
			d[j] += float32(t.f * p * (a[j] - b[j] + 1))
		}
	}
}

func (klOp) Cost(c *Ctx, e *Entry) Cost {
	n := int64(c.Shape(e.In[0]).Len())
	return Cost{Flops: 4 * n, Bytes: 12 * n}
}
