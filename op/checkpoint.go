package op

// Checkpoint is f(c, in), of which a tape keeps only in and what f returns: the
// backward pass runs f once more for what it needs inside (gradient
// checkpointing, Chen et al. 2016). So a network whose layers are checkpointed
// in spans takes the memory of its streams and of one span. The gradients are
// the same bits as without. Without a tape it is f(c, in).
//
// f may be called again until the tape has been walked, and must then compute
// the same: from in, from weights that nobody has changed, and from values that
// were made before. What it changes besides must not be changed twice: see
// [Ctx.Repeating]. f returns the same number of values each time.
func Checkpoint(c *Ctx, f func(c *Ctx, in []Val) []Val, in ...Val) []Val {
	if c.rec == nil {
		return f(c, in)
	}
	return c.rec.Checkpoint(f, in)
}

// Repeat calls f as the second run of something that has run before:
// grad.Tape's walk.
func (c *Ctx) Repeat(f func()) {
	before := c.repeating
	c.repeating = true
	f()
	c.repeating = before
}

// Repeating reports whether a span runs again for its backward pass. Watchers
// have then seen it, and running statistics have taken it in.
func (c *Ctx) Repeating() bool { return c.repeating }
