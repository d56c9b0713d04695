package optim

import "math"

// Schedule is a number for each step, counted from 0: a learning rate for
// [Optimizer.Step], the decay of an [Average], the weight of a term of the loss.
type Schedule interface{ At(step int) float64 }

// Constant is always the same.
type Constant float64

// At returns c.
func (c Constant) At(int) float64 { return float64(c) }

// Linear goes from From to To in Steps steps, and stays there.
type Linear struct {
	From, To float64
	Steps    int
}

// At returns From + (To-From) * step/Steps.
func (l Linear) At(step int) float64 { return l.From + (l.To-l.From)*share(step, l.Steps) }

// Cosine goes from From to To in Steps steps along half a cosine, and stays there
// (Loshchilov & Hutter 2017, equation 5 without restarts).
type Cosine struct {
	From, To float64
	Steps    int
}

// At returns To + (From-To) * (1 + cos(pi*step/Steps)) / 2.
func (c Cosine) At(step int) float64 {
	return c.To + (c.From-c.To)*(1+math.Cos(math.Pi*share(step, c.Steps)))/2
}

// Restarts is Cosine again and again, each round Mult times as long as the one
// before (Loshchilov & Hutter 2017, SGDR). A new round begins at From.
type Restarts struct {
	From, To float64
	Steps    int // of the first round; below 1 counts as 1
	Mult     int // below 1 counts as 1
}

// At returns where the round that step is in has come to.
func (r Restarts) At(step int) float64 {
	round, mult := max(r.Steps, 1), max(r.Mult, 1)
	if mult == 1 {
		step = max(step, 0) % round
	}
	for step >= round {
		step -= round
		if round > math.MaxInt/mult {
			break // longer than any training
		}
		round *= mult
	}
	return Cosine{r.From, r.To, round}.At(step)
}

// Milestones begins at From and is multiplied by Factor at each of Steps, which
// ascend.
type Milestones struct {
	From, Factor float64
	Steps        []int
}

// At returns From * Factor^n after n milestones.
func (m Milestones) At(step int) float64 {
	v := m.From
	for _, s := range m.Steps {
		if step >= s {
			v *= m.Factor
		}
	}
	return v
}

// Warmup grows in Steps steps from the share From of Then's first value to the
// whole of it, and goes on with Then, which begins when it has ended.
type Warmup struct {
	From  float64 // of 1: mostly 0
	Steps int
	Then  Schedule
}

// At returns Then.At(0) * (From + (1-From)*step/Steps) before Steps.
func (w Warmup) At(step int) float64 {
	if step < w.Steps {
		return w.Then.At(0) * (w.From + (1-w.From)*share(step, w.Steps))
	}
	return w.Then.At(step - w.Steps)
}

// Ramp grows to To in Steps steps as To * exp(-5(1-t)²) with t = step/Steps, from
// 0.0067 To, and stays there (Laine & Aila 2017, section 3.1). With no Steps it is To.
type Ramp struct {
	To    float64
	Steps int
}

// At returns the ramp's height.
func (r Ramp) At(step int) float64 {
	t := 1 - share(step, r.Steps)
	return r.To * math.Exp(-5*t*t)
}

// Growing is min(1 - 1/step, Growing), 0 at the start. As the decay of an [Average]
// it makes that the plain mean of all weights so far, until the decay is reached
// (Tarvainen & Valpola 2017, as in their code).
type Growing float64

// At returns the lesser of 1 - 1/step and g.
func (g Growing) At(step int) float64 {
	if step < 1 {
		return 0
	}
	return min(1-1/float64(step), float64(g))
}

// share is step/steps, from 0 to 1.
func share(step, steps int) float64 {
	if step >= steps {
		return 1
	}
	return float64(max(step, 0)) / float64(steps)
}
