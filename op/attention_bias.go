package op

import "math"

// BiasedAttention is softmax(q kᵀ / sqrt(Dh) + bias) v for each head of n sequences:
// q [n*T, H*Dh], k, v [n*S, G*Dh] -> [n*T, H*Dh]. k and v may come from another
// stream than q (cross-attention). A bias of -Inf hides a key; a row that sees none
// is NaN. The bias is
//
//	[n*H*T, S]  for each sequence, head and query
//	[H*T, S]    for each head and query: relative positions
//	[T, S]      for each query
//	[1, S]      for each key
//
// and takes gradients. It holds n*H*T*S scores, which [Attention], for attention
// without a bias, doesn't; what it is given, it doesn't remember. h.Window is not
// used.
func BiasedAttention(c *Ctx, q, k, v, bias Val, h Heads, n int) Val {
	s, sk := c.Shape(q), c.Shape(k)
	if c.err != nil {
		return Val{}
	}
	if h.KV < 1 || h.Dim < 1 || h.Query%h.KV != 0 || s.Width() != h.Query*h.Dim || sk.Width() != h.KV*h.Dim || sk != c.Shape(v) ||
		n < 1 || s.Rows()%n != 0 || sk.Rows()%n != 0 {
		return c.failf("biased attention", "%d of queries %v, keys %v, values %v for %+v", n, s, sk, c.Shape(v), h)
	}
	// Query heads that share a key head lie below each other, so they are one matrix.
	q = SplitHeads(c, Scale(c, q, float32(1/math.Sqrt(float64(h.Dim)))), n, h.Query)
	k, v = SplitHeads(c, k, n, h.KV), SplitHeads(c, v, n, h.KV)
	scores := MatMulT(c, q, k, n*h.KV)
	rows, b := h.Query*s.Rows(), c.Shape(bias)
	if c.err != nil {
		return Val{}
	}
	if b.Rows() != 1 && b.Rows() != rows {
		if b.Rows() == 0 || b.Rows() != s.Rows()/n && b.Rows() != h.Query*s.Rows()/n {
			return c.failf("biased attention", "bias %v for %d heads, %d queries and %d keys", b, h.Query, s.Rows()/n, sk.Rows()/n)
		}
		index := make([]int32, rows)
		for i := range index {
			index[i] = int32(i % b.Rows())
		}
		bias = Rows(c, bias, index)
	}
	p := Softmax(c, Add(c, scores, bias))
	return MergeHeads(c, MatMul(c, p, v, n*h.KV), n, h.Query)
}

// PositionBias is the bias of T queries and S keys by their relative positions, from
// a table [buckets, H]: buckets, of length T*S, says which row of it a query and a
// key share (Shaw, Uszkoreit and Vaswani 2018; Raffel et al. 2020) -> [H*T, S].
func PositionBias(c *Ctx, table *Weight, buckets []int32, queries int) Val {
	if !c.divides("position bias", len(buckets), queries) {
		return Val{}
	}
	b := Transpose(c, Embedding(c, table, buckets), 1)
	return Reshape(c, b, table.Cols*queries, len(buckets)/queries)
}
