package op

import (
	"math"

	"github.com/micaml/mica/internal/kernel/act"
)

// Exp is e^x, element by element.
func Exp(c *Ctx, x Val) Val { return activate(c, &exponential, x) }

// Log is the natural logarithm, element by element.
func Log(c *Ctx, x Val) Val { return activate(c, &logarithm, x) }

// Sqrt is the square root, element by element. Its derivative at 0 is +Inf; the
// length of a row that may be 0 is [Norm].
func Sqrt(c *Ctx, x Val) Val { return activate(c, &root, x) }

// Squared is x * x, element by element.
func Squared(c *Ctx, x Val) Val { return activate(c, &square, x) }

// Abs is |x|, element by element; its derivative at 0 is 0.
func Abs(c *Ctx, x Val) Val { return activate(c, &absolute, x) }

// Softplus is log(1 + e^x), element by element.
func Softplus(c *Ctx, x Val) Val { return activate(c, &softplus, x) }

var (
	exponential = activation{"exp", exp, act.MulAdd, cleared(act.MulAdd), true, 1}
	logarithm   = activation{"log", logs, logBackward, cleared(logBackward), false, 1}
	root        = activation{"sqrt", roots, rootBackward, cleared(rootBackward), true, 1}
	square      = activation{"squared", squares, squareBackward, cleared(squareBackward), false, 1}
	absolute    = activation{"abs", absolutes, absBackward, cleared(absBackward), false, 1}
	softplus    = activation{"softplus", softpluses, softplusBackward, cleared(softplusBackward), false, 4}
)

func exp(y, x []float32) { act.ExpSum(y, x, 0) }

func logs(y, x []float32) {
	for i, v := range x {
		y[i] = float32(math.Log(float64(v)))
	}
}

func logBackward(dx, dy, x []float32) {
	for i, v := range x {
		dx[i] += dy[i] / v
	}
}

func roots(y, x []float32) {
	for i, v := range x {
		y[i] = float32(math.Sqrt(float64(v)))
	}
}

func rootBackward(dx, dy, y []float32) {
	for i, v := range y {
		dx[i] += dy[i] / (2 * v)
	}
}

func squares(y, x []float32) { act.Mul(y, x, x) }

func squareBackward(dx, dy, x []float32) {
	for i, v := range x {
		dx[i] += float32(2 * v * dy[i])
	}
}

func absolutes(y, x []float32) {
	for i, v := range x {
		y[i] = math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
	}
}

func absBackward(dx, dy, x []float32) {
	for i, v := range x {
		switch {
		case v > 0:
			dx[i] += dy[i]
		case v < 0:
			dx[i] -= dy[i]
		}
	}
}

// softpluses computes max(x, 0) + log(1 + e^-|x|), which neither overflows nor
// loses the small results.
func softpluses(y, x []float32) {
	var tail [256]float32
	for len(x) > 0 {
		n := min(len(x), len(tail))
		for i, v := range x[:n] {
			tail[i] = -max(v, -v)
		}
		act.ExpSum(tail[:n], tail[:n], 0)
		for i, v := range x[:n] {
			y[i] = float32(float64(max(v, 0)) + math.Log1p(float64(tail[i])))
		}
		x, y = x[n:], y[n:]
	}
}

func softplusBackward(dx, dy, x []float32) {
	var slope [256]float32
	for len(x) > 0 {
		n := min(len(x), len(slope))
		act.Sigmoid(slope[:n], x[:n])
		act.MulAdd(dx[:n], dy[:n], slope[:n])
		x, dx, dy = x[n:], dx[n:], dy[n:]
	}
}

// Clamp is min(max(x, lo), hi), element by element. The gradient stops where x is
// outside.
func Clamp(c *Ctx, x Val, lo, hi float32) Val {
	if !(lo <= hi) {
		return c.failf("clamp", "nothing is between %v and %v", lo, hi)
	}
	y, bounds := c.Out(c.Shape(x)), c.Out(MakeShape(2))
	if c.err != nil {
		return Val{}
	}
	b := c.Data(bounds)
	b[0], b[1] = lo, hi
	xd := c.Data(x)
	for i, yd := 0, c.Data(y); i < len(yd); i++ {
		yd[i] = min(max(xd[i], lo), hi)
	}
	return c.record(Entry{Op: clampOp{}, Out: y, In: [3]Val{x}, Attr: Attr{Aux: bounds}})
}

type clampOp struct{}

func (clampOp) Name() string { return "clamp" }

func (clampOp) Backward(c *Ctx, e *Entry, g Grads) {
	dx, dy, b := g.Into(e.In[0]), g.Of(e.Out), c.Data(e.Attr.Aux)
	for i, v := range c.Data(e.In[0]) {
		if v >= b[0] && v <= b[1] {
			dx[i] += dy[i]
		}
	}
}

func (clampOp) Cost(c *Ctx, e *Entry) Cost { return elementwise(c, e, 2, 2) }
