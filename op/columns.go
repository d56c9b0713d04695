package op

import "github.com/micaml/mica/internal/kernel/act"

// Columns takes columns of x: y[t][j] = x[t][index[j]]. x [T, D] ->
// [T, len(index)]. An index may repeat.
func Columns(c *Ctx, x Val, index []int32) Val { return gather(c, x, index, len(index), 0) }

// Pick takes k numbers of each row: y[t][j] = x[t][index[t*k+j]]. x [T, D], index of
// length T*k -> [T, k].
func Pick(c *Ctx, x Val, index []int32) Val {
	rows := c.Shape(x).Rows()
	if rows == 0 || len(index)%rows != 0 {
		return c.failf("columns", "%d places for %d rows", len(index), rows)
	}
	k := len(index) / rows
	return gather(c, x, index, k, k)
}

// gather makes rows of k numbers at places that begin step later for each row.
func gather(c *Ctx, x Val, index []int32, k, step int) Val {
	s := c.Shape(x)
	if !c.within("columns", index, s.Width()) {
		return Val{}
	}
	y := c.Out(MakeShape(s.Rows(), k))
	if c.err != nil {
		return Val{}
	}
	c.rows(s.Rows(), rowLoop{row: gatherRow, width: s.Width(), other: k, step: step, dst: c.Data(y), x: c.Data(x), ids: index})
	return c.record(Entry{Op: columnsOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: index, N: step}})
}

// within reports whether every index is one of n places, or makes it an error.
func (c *Ctx) within(op string, index []int32, n int) bool {
	for _, j := range index {
		if j < 0 || int(j) >= n {
			c.failf(op, "place %d of %d", j, n)
			break
		}
	}
	return c.err == nil
}

// places are the ids of row i, and the row of the narrower matrix m that they lead to.
func (t *rowLoop) places(m []float32, i int) ([]int32, []float32) {
	return t.ids[i*t.step:][:t.other], m[i*t.other : (i+1)*t.other]
}

func gatherRow(t *rowLoop, i int) {
	ids, y := t.places(t.dst, i)
	x := t.of(t.x, i)
	for j, id := range ids {
		y[j] = x[id]
	}
}

func gatherAddRow(t *rowLoop, i int) {
	ids, y := t.places(t.dst, i)
	x := t.of(t.x, i)
	for j, id := range ids {
		y[j] += x[id]
	}
}

func scatterAddRow(t *rowLoop, i int) {
	ids, y := t.places(t.x, i)
	x := t.of(t.dst, i)
	for j, id := range ids {
		x[id] += y[j]
	}
}

type columnsOp struct{}

func (columnsOp) Name() string { return "columns" }

func (columnsOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.In[0])
	c.rows(s.Rows(), rowLoop{row: scatterAddRow, width: s.Width(), other: c.Shape(e.Out).Width(), step: e.Attr.N,
		dst: g.Into(e.In[0]), x: g.Of(e.Out), ids: e.Attr.IDs})
}

func (columnsOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 0, 2) }

// ScatterColumns adds columns up: y[t][index[j]] is the sum of x[t][j], and 0 where
// no index leads. x [T, len(index)] -> [T, n].
func ScatterColumns(c *Ctx, x Val, index []int32, n int) Val {
	s := c.Shape(x)
	if s.Width() != len(index) && c.err == nil {
		return c.failf("scatter-columns", "%d places for %d columns", len(index), s.Width())
	}
	if !c.within("scatter-columns", index, n) {
		return Val{}
	}
	y := c.Out(MakeShape(s.Rows(), n))
	if c.err != nil {
		return Val{}
	}
	clear(c.Data(y))
	c.rows(s.Rows(), rowLoop{row: scatterAddRow, width: n, other: len(index), dst: c.Data(y), x: c.Data(x), ids: index})
	return c.record(Entry{Op: scatterColumnsOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: index}})
}

type scatterColumnsOp struct{}

func (scatterColumnsOp) Name() string { return "scatter-columns" }

func (scatterColumnsOp) Backward(c *Ctx, e *Entry, g Grads) {
	s := c.Shape(e.Out)
	c.rows(s.Rows(), rowLoop{row: gatherAddRow, width: s.Width(), other: len(e.Attr.IDs),
		dst: g.Into(e.In[0]), x: g.Of(e.Out), ids: e.Attr.IDs})
}

func (scatterColumnsOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 1, 2) }

// ScatterRows adds rows up: y[index[i]] is the sum of x[i], and 0 where no index
// leads. x [len(index), ...] -> [n, ...].
func ScatterRows(c *Ctx, x Val, index []int32, n int) Val {
	s := c.Shape(x)
	if s.Rows() != len(index) && c.err == nil {
		return c.failf("scatter-rows", "%d places for %d rows", len(index), s.Rows())
	}
	if !c.within("scatter-rows", index, n) {
		return Val{}
	}
	y := c.Out(s.WithRows(n))
	if c.err != nil {
		return Val{}
	}
	w, yd, xd := s.Width(), c.Data(y), c.Data(x)
	clear(yd)
	for i, r := range index {
		to := yd[int(r)*w : (int(r)+1)*w]
		act.Add(to, to, xd[i*w:(i+1)*w])
	}
	return c.record(Entry{Op: scatterRowsOp{}, Out: y, In: [3]Val{x}, Attr: Attr{IDs: index}})
}

type scatterRowsOp struct{}

func (scatterRowsOp) Name() string { return "scatter-rows" }

func (scatterRowsOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, dy, w := g.Into(e.In[0]), g.Of(e.Out), c.Shape(e.Out).Width()
	for i, r := range e.Attr.IDs {
		to := dx[i*w : (i+1)*w]
		act.Add(to, to, dy[int(r)*w:(int(r)+1)*w])
	}
}

func (scatterRowsOp) Cost(c *Ctx, e *Entry) Cost {
	return Cost{Bytes: 8 * int64(c.Shape(e.In[0]).Len())}
}
