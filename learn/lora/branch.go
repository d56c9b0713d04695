package lora

import (
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// adapted is a linear map with a branch.
type adapted struct {
	nn.Layer
	*branch
}

func (l *adapted) In() int  { return l.Layer.In() }
func (l *adapted) Out() int { return l.Layer.Out() }

// Apply maps x [T, in] to [T, out].
func (l *adapted) Apply(c *op.Ctx, x op.Val) op.Val {
	b := l.branch
	// Dropout means that A reads other rows than W.
	if m, ok := l.Layer.(*nn.Linear); ok && m.B == nil && !b.drops(c) {
		return op.LinearLowRank(c, x, m.W, b.a, b.b, b.scale)
	}
	return b.add(c, x, l.Layer.Apply(c, x))
}

// drops says whether dropout is at work: while a Task learns, which it does on a
// tape, as the second run of a checkpointed span is.
func (b *branch) drops(c *op.Ctx) bool { return b.drop.P > 0 && !b.drop.Clock.Still && c.Taped() }

// add adds the branch of x to y.
func (b *branch) add(c *op.Ctx, x, y op.Val) op.Val {
	if b.drops(c) {
		x = b.drop.Apply(c, x)
	}
	return op.LowRank(c, y, x, b.a, b.b, b.scale)
}

// Adapts says whether the adapter has a branch for a map.
func (a *Adapter) Adapts(layer int, r pass.Role) bool { return a.at[place{layer, r}] != nil }

// Adapt returns y [n, Out] with the branch of x [n, In] added.
func (a *Adapter) Adapt(c *op.Ctx, layer int, r pass.Role, x, y op.Val) op.Val {
	return a.at[place{layer, r}].add(c, x, y)
}

// Task is a task whose network carries an adapter with dropout: it tells the adapter
// the time, so that each step draws numbers of its own, the same ones after a resume.
// Without dropout the task itself does.
type Task struct {
	train.Task
	Adapter *Adapter
}

// Loss is the task's.
func (t Task) Loss(c *op.Ctx, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	t.Adapter.clock = s.Clock()
	return t.Task.Loss(c, b, s)
}
