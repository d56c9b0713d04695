package op

import "github.com/micaml/mica/internal/kernel/act"

// eachGrain is how many numbers a core takes at a time of an op that works
// number by number: some microseconds of work, far more than it costs to hand
// them out.
const eachGrain = 16 << 10

// each is a loop over numbers, of one or two inputs, that the pool shares out.
// How it is cut shows nowhere: no number depends on another.
type each struct {
	one    func(dst, x []float32)
	two    func(dst, x, y []float32)
	dst    []float32
	x, y   []float32
	scale  func(dst, x []float32, s float32)
	factor float32
}

func (t *each) Do(_, lo, hi int) {
	switch dst, x := t.dst[lo:hi], t.x[lo:hi]; {
	case t.one != nil:
		t.one(dst, x)
	case t.two != nil:
		t.two(dst, x, t.y[lo:hi])
	default:
		t.scale(dst, x, t.factor)
	}
}

func (c *Ctx) run(t each) {
	c.kernels.each = t // there, for an argument would escape to the heap
	c.pool.For(len(t.dst), eachGrain, &c.kernels.each)
	c.kernels.each = each{}
}

// each1 runs f(dst, x) on every core.
func (c *Ctx) each1(f func(dst, x []float32), dst, x []float32) { c.run(each{one: f, dst: dst, x: x}) }

// each2 runs f(dst, x, y) on every core.
func (c *Ctx) each2(f func(dst, x, y []float32), dst, x, y []float32) {
	c.run(each{two: f, dst: dst, x: x, y: y})
}

// eachScale runs f(dst, x, s) on every core.
func (c *Ctx) eachScale(f func(dst, x []float32, s float32), dst, x []float32, s float32) {
	c.run(each{scale: f, factor: s, dst: dst, x: x})
}

// passOn adds dy to the gradient with respect to v: the rule of ops whose
// derivative is 1.
func (c *Ctx) passOn(g Grads, v Val, dy []float32) {
	switch dx, add := g.Set(v); {
	case dx == nil:
	case add:
		c.each2(act.Add, dx, dx, dy)
	default:
		c.each1(copyTo, dx, dy)
	}
}

func copyTo(dst, x []float32) { copy(dst, x) }

// cleared is a kernel that adds, for a dst that nothing is in yet. It clears what
// a core takes at a time, which so is near when the kernel adds to it.
func cleared(f func(dst, x, y []float32)) func(dst, x, y []float32) {
	return func(dst, x, y []float32) {
		clear(dst)
		f(dst, x, y)
	}
}
