package op

import (
	"slices"

	"github.com/micaml/mica/internal/kernel/act"
	"github.com/micaml/mica/internal/kernel/gemm"
	"github.com/micaml/mica/internal/kernel/norm"
)

// cell is what gated recurrent layers differ in; all sizes are in units of H, the
// width of the output.
type cell struct {
	name   string
	gates  int // rows of the recurrent matrix
	memory int // numbers of the state, of which the first H are the output
	saved  int // numbers of a row for the backward pass; what the state has besides the output is at their end

	// step computes the state after a row, given that before it, the row's input
	// and what the recurrent matrix makes of the output before it, [gates].
	step func(next, saved, x, hidden, prev []float32)
	// back computes the gradients with respect to the input, to hidden, and to prev
	// but for what goes through hidden, given that with respect to next.
	back func(dprev, dx, dhidden, dnext, saved, prev []float32)
}

// run is the forward pass of GRU and LSTM. Rows of all runs that are as far go
// through the recurrent matrix together.
func (l *cell) run(c *Ctx, o Op, x Val, w, b *Weight, runs []int32, state [][]float32) Val {
	s := c.Shape(x)
	if c.err != nil {
		return Val{}
	}
	h := w.Cols
	if w.Rows != l.gates*h || s.Width() != w.Rows {
		return c.failf(l.name, "%s is %d x %d and the rows are %d wide, want %d H x H and %d H", w.Name, w.Rows, w.Cols, s.Width(), l.gates, l.gates)
	}
	var bias []float32
	if b != nil {
		var ok bool
		if bias, ok = b.F32(); !ok || len(bias) != w.Rows {
			return c.failf(l.name, "%s is %v %d x %d for %d", b.Name, b.DType, b.Rows, b.Cols, w.Rows)
		}
	}
	if err := checkRuns(s.Rows(), runs, state, l.memory*h); err != nil {
		return c.failf(l.name, "%w", err)
	}
	y := c.Out(MakeShape(s.Rows(), h))
	aux := c.Out(MakeShape(l.saved*s.Rows()+l.memory*len(runs), h)) // saved of each row, and the states that came in
	scope := c.Open()
	prev, hidden := c.Out(MakeShape(len(runs), h)), c.Out(MakeShape(len(runs), w.Rows))
	if c.err != nil {
		return Val{}
	}
	kept := c.Data(aux)
	saved, first := kept[:l.saved*s.Rows()*h], kept[l.saved*s.Rows()*h:]
	for r := range runs {
		copy(first[r*l.memory*h:], state[r])
	}
	xd, yd, gd := c.Data(x), c.Data(y), c.Data(hidden)
	l.steps(runs, false, func(active, rows []int) {
		for i, r := range active {
			copy(c.Data(prev)[i*h:(i+1)*h], state[r])
		}
		gemm.MulT(c.pool, &c.kernels.gemm, gd, len(active), w.Rows, h, c.Data(prev), w.Storage, false)
		for i, r := range active {
			row, g := rows[i], gd[i*w.Rows:(i+1)*w.Rows]
			if bias != nil {
				act.Add(g, g, bias)
			}
			l.step(state[r], saved[row*l.saved*h:(row+1)*l.saved*h], xd[row*w.Rows:(row+1)*w.Rows], g, state[r])
			copy(yd[row*h:(row+1)*h], state[r])
		}
	})
	c.Close(scope)
	return c.record(Entry{Op: o, Out: y, In: [3]Val{x}, W: w, B: b, Attr: Attr{IDs: runs, Aux: aux}})
}

// steps calls f for each step in time with the runs that have a row there, in
// order, and these rows.
func (l *cell) steps(runs []int32, backwards bool, f func(active, rows []int)) {
	if len(runs) == 0 {
		return
	}
	from := starts(runs)
	var active, rows []int
	longest := int(slices.Max(runs))
	for i := range longest {
		t := i
		if backwards {
			t = longest - 1 - i
		}
		active, rows = active[:0], rows[:0]
		for r, n := range runs {
			if t < int(n) {
				active, rows = append(active, r), append(rows, from[r]+t)
			}
		}
		f(active, rows)
	}
}

func (l *cell) backward(c *Ctx, e *Entry, g Grads) {
	h, runs := e.W.Cols, e.Attr.IDs
	rows, gates := c.Shape(e.Out).Rows(), e.W.Rows
	kept, y, dy := c.Data(e.Attr.Aux), c.Data(e.Out), g.Of(e.Out)
	saved, first := kept[:l.saved*rows*h], kept[l.saved*rows*h:]
	into, add := g.Set(e.In[0])
	scope := c.Open()
	before := c.Out(MakeShape(rows, l.memory*h)) // the state before each row
	dx, dhidden := c.Out(MakeShape(rows, gates)), c.Out(MakeShape(rows, gates))
	carry := c.Out(MakeShape(len(runs), l.memory*h)) // gradients of states, through later rows
	dnext, dprev := c.Out(MakeShape(len(runs), l.memory*h)), c.Out(MakeShape(len(runs), l.memory*h))
	outputs, hidden := c.Out(MakeShape(max(rows, len(runs)), h)), c.Out(MakeShape(len(runs), gates))
	if c.err != nil {
		return
	}
	l.states(c.Data(before), y, saved, first, runs, h)
	clear(c.Data(carry))
	of := func(v Val, i int) []float32 { w := c.Shape(v).Width(); return c.Data(v)[i*w : (i+1)*w] }
	l.steps(runs, true, func(active, at []int) {
		for i, r := range active {
			d := of(dnext, i)
			copy(d, of(carry, r))
			act.Add(d[:h], d[:h], dy[at[i]*h:(at[i]+1)*h])
			l.back(of(dprev, i), of(dx, at[i]), of(dhidden, at[i]), d, saved[at[i]*l.saved*h:(at[i]+1)*l.saved*h], of(before, at[i]))
			copy(of(hidden, i), of(dhidden, at[i]))
			copy(c.Data(outputs)[i*h:(i+1)*h], of(dprev, i)) // and more is added
		}
		gemm.Mul(c.pool, &c.kernels.gemm, c.Data(outputs), len(active), h, gates, c.Data(hidden), e.W.Storage, true)
		for i, r := range active {
			copy(of(carry, r), of(dprev, i))
			copy(of(carry, r), c.Data(outputs)[i*h:(i+1)*h])
		}
	})
	if e.W.Grad != nil {
		for i := range rows {
			copy(c.Data(outputs)[i*h:(i+1)*h], of(before, i))
		}
		gemm.MulAT(c.pool, &c.kernels.gemm, e.W.Grad, gates, h, rows, c.Data(dhidden), c.Data(outputs)[:rows*h], true)
	}
	if b := e.B.grad(); b != nil {
		norm.SumRows(c.pool, &c.kernels.norm, b, c.Data(dhidden))
	}
	switch {
	case into == nil:
	case add:
		c.each2(act.Add, into, into, c.Data(dx))
	default:
		copy(into, c.Data(dx))
	}
	c.Close(scope)
}

// states writes the state before each row.
func (l *cell) states(before, y, saved, first []float32, runs []int32, h int) {
	row := 0
	for r, n := range runs {
		for t := range int(n) {
			d := before[row*l.memory*h : (row+1)*l.memory*h]
			if t == 0 {
				copy(d, first[r*l.memory*h:])
			} else {
				copy(d, y[(row-1)*h:row*h])
				copy(d[h:], saved[(row*l.saved-l.memory+1)*h:])
			}
			row++
		}
	}
}

func (l *cell) cost(c *Ctx, e *Entry) Cost {
	t := int64(c.Shape(e.Out).Rows())
	return Cost{Flops: t * (2*int64(e.W.Rows)*int64(e.W.Cols) + 12*int64(e.W.Cols)),
		Bytes: int64(len(e.W.Bytes())) + 4*t*int64(e.W.Rows+e.W.Cols)}
}
