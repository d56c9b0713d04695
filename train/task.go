package train

import (
	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
)

// Task is what is learnt.
type Task interface {
	// NewCtx returns a context to compute in: its mode and threads are the task's.
	NewCtx() *op.Ctx
	// Weights returns what the loss depends on. Those with a Grad are trained.
	Weights() []*op.Weight
	// Loss computes the terms of a batch's loss in c, which records. They are of one
	// number each.
	Loss(c *op.Ctx, b *dataset.Batch, s Step) ([]Term, error)
}

// Stateful tasks change numbers of their own while they learn, such as batch
// normalisation's running statistics and tables with a row for each example: parts of
// a checkpoint, by name.
type Stateful interface {
	Parts() map[string]checkpoint.Part
}

// Term is a part of a loss. The loss is the sum of Weight times Val.
type Term struct {
	Name   string
	Val    op.Val // [1]
	Weight float32
}

// Step says which step of training a loss is for.
type Step struct {
	Number int // steps before it
	Micro  int // batches before it in the same step
	seed   uint64
}

// Clock is what the network's layers draw random numbers by in this step.
func (s Step) Clock() nn.Clock {
	return nn.Clock{Seed: s.seed, Step: uint64(s.Number)<<16 | uint64(s.Micro)}
}

// Trainee is a network that computes something else while it learns: statistics of
// the batch, dropout.
type Trainee interface {
	Training(nn.Clock)
	Inference()
}
