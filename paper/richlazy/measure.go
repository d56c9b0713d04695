package richlazy

import (
	"context"
	"errors"

	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// learn trains and puts down how it went. Training that fails, since the loss isn't
// finite any more, is an outcome too.
func (o *outcome) learn(ctx context.Context, what train.Task, trained []*op.Weight, t *task, seed uint64, rate float64) error {
	losses, err := learn(ctx, what, trained, t, seed, rate)
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		o.Failed = err.Error()
		return nil
	}
	o.Iterations, o.Final, o.Losses = len(losses), t.final(losses), nil
	for i := range 10 {
		lo, hi := i*len(losses)/10, (i+1)*len(losses)/10
		sum := 0.0
		for _, l := range losses[lo:hi] {
			sum += l
		}
		o.Losses = append(o.Losses, sum/float64(max(1, hi-lo)))
	}
	return nil
}

// compare puts down how far a network has moved.
func (o *outcome) compare(before, after *seen) error {
	o.Loss, o.Accuracy = after.loss, after.accuracy
	change := make([]float32, len(after.weights))
	for i, w := range after.weights {
		change[i] = w - before.weights[i]
	}
	o.Moved = norm(change)
	var errs [5]error
	o.States, errs[0] = kernel.Alignment(before.states, after.states)
	o.Centred, errs[1] = kernel.CentredAlignment(before.states, after.states)
	o.Tangent, errs[2] = kernel.Alignment(before.tangent, after.tangent)
	o.Readout, errs[3] = kernel.Alignment(before.readout, after.readout)
	o.Sign, errs[4] = kernel.SameSign(before.hidden, after.hidden)
	if err := errors.Join(errs[:]...); err != nil {
		o.Failed = err.Error() // all units are off, say
	}
	return nil
}

// still trains with a rate of 0, and the readout alone: nothing that is measured may
// change that can't.
func (x *experiment) still(ctx context.Context) error {
	x.progress("a rate of 0, and the readout alone")
	t := *x.tasks[0]
	t.iterations, t.tail = 50, 50
	a := x.arms[3]
	o, err := x.trial(ctx, &t, a, x.seed(0), 0)
	if err != nil {
		return err
	}
	off := o.Moved
	for _, v := range []float64{o.States, o.Tangent, o.Readout, o.Sign} {
		off = max(off, 1-v)
	}
	x.r.Judge("rate-0", off, off < 1e-12 && o.Failed == "", "full rank on 2AF, 50 iterations")
	a.frozen = true
	if o, err = x.trial(ctx, &t, a, x.seed(0), 0.01); err != nil {
		return err
	}
	off = o.Moved
	for _, v := range []float64{o.States, o.Readout, o.Sign} {
		off = max(off, 1-v)
	}
	x.r.Judge("readout-only", off, off < 1e-12 && o.Failed == "", "the tangent kernel of the frozen recurrent matrix moves even so, since its gradients go through the readout: see the table")
	return nil
}
