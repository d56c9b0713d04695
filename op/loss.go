package op

// SoftCrossEntropy is the mean over rows of -sum(q log softmax(x)), in nats, for
// target probabilities q. x, q [T, V] -> [1]. Gradients flow to q, too.
func SoftCrossEntropy(c *Ctx, x, q Val) Val {
	if c.sameLoss("soft cross-entropy", x, q) {
		rows := float32(c.Shape(x).Rows())
		return Scale(c, Sum(c, Mul(c, q, LogSoftmax(c, x)), All), -1/rows)
	}
	return Val{}
}

// MSE is the mean of (x - y)² over all numbers of two tensors of one shape -> [1].
func MSE(c *Ctx, x, y Val) Val {
	if c.sameLoss("mse", x, y) {
		return Mean(c, Squared(c, Sub(c, x, y)), All)
	}
	return Val{}
}

// L1 is the mean of |x - y| over all numbers of two tensors of one shape -> [1].
func L1(c *Ctx, x, y Val) Val {
	if c.sameLoss("l1", x, y) {
		return Mean(c, Abs(c, Sub(c, x, y)), All)
	}
	return Val{}
}

// Huber is the mean over all numbers of d²/2 where |d| <= delta and of
// delta (|d| - delta/2) elsewhere, with d = x - y (Huber 1964). x and y have one
// shape -> [1].
func Huber(c *Ctx, x, y Val, delta float32) Val {
	if !c.sameLoss("huber", x, y) {
		return Val{}
	}
	d := Sub(c, x, y)
	near := Clamp(c, d, -delta, delta)
	return Mean(c, Mul(c, near, Sub(c, d, Scale(c, near, 0.5))), All)
}

// BinaryCrossEntropy is the mean over all numbers of the cross-entropy, in nats, of
// y, probabilities, and sigmoid(x). x and y have one shape -> [1].
func BinaryCrossEntropy(c *Ctx, x, y Val) Val {
	if c.sameLoss("binary cross-entropy", x, y) {
		return Mean(c, Sub(c, Softplus(c, x), Mul(c, x, y)), All)
	}
	return Val{}
}

// sameLoss reports whether x and y have one shape, with numbers in it. Losses are
// stricter than [Sub]: a target that is repeated by chance is a common mistake.
func (c *Ctx) sameLoss(name string, x, y Val) bool {
	s, t := c.Shape(x), c.Shape(y)
	if c.err != nil {
		return false
	}
	if s.Rows() != t.Rows() || s.Width() != t.Width() {
		c.failf(name, "shapes %v and %v differ", s, t)
	} else if s.Len() == 0 {
		c.failf(name, "of no numbers: %v", s)
	}
	return c.err == nil
}
