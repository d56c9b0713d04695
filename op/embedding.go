package op

import "github.com/micaml/mica/internal/kernel/act"

// Embedding takes rows of a table: y[i] = w[ids[i]]. w [V, D] in any storage
// type; ids of length T -> [T, D].
func Embedding(c *Ctx, w *Weight, ids []int32) Val {
	for i, id := range ids {
		if id < 0 || int(id) >= w.Rows {
			return c.failf("embedding", "token %d at row %d is not in the vocabulary of %d", id, i, w.Rows)
		}
	}
	y := c.Out(MakeShape(len(ids), w.Cols))
	d := c.Data(y)
	for i, id := range ids {
		if c.err != nil {
			return Val{}
		}
		if err := w.DequantRow(int(id), d[i*w.Cols:(i+1)*w.Cols]); err != nil {
			return c.failf("embedding", "%w", err)
		}
	}
	return c.record(Entry{Op: embeddingOp{}, Out: y, W: w, Attr: Attr{IDs: ids}})
}

type embeddingOp struct{}

func (embeddingOp) Name() string { return "embedding" }

func (embeddingOp) Backward(_ *Ctx, e *Entry, g Grads) {
	if e.W.Grad == nil {
		return
	}
	dy, n := g.Of(e.Out), e.W.Cols
	for i, id := range e.Attr.IDs {
		d := e.W.Grad[int(id)*n : (int(id)+1)*n]
		act.Add(d, d, dy[i*n:(i+1)*n])
	}
}

func (embeddingOp) Cost(c *Ctx, e *Entry) Cost {
	return Cost{Bytes: 8 * int64(c.Shape(e.Out).Len())}
}
