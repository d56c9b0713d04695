package op

import (
	"cmp"
	"slices"
)

// Rank is the place of each number among those of its row, as a constant: 0 is the
// largest. Of equal numbers the first has the smaller rank; NaNs come last.
// x [T, D] -> [T, D].
func Rank(c *Ctx, x Val) Val {
	s := c.Shape(x)
	y := c.Out(s)
	if c.err != nil {
		return Val{}
	}
	w, xd, yd := s.Width(), c.Data(x), c.Data(y)
	order := make([]int32, w)
	for i := 0; i < len(xd); i += w {
		row := xd[i : i+w]
		for j := range order {
			order[j] = int32(j)
		}
		slices.SortFunc(order, func(a, b int32) int { return cmp.Or(cmp.Compare(row[b], row[a]), cmp.Compare(a, b)) })
		for r, j := range order {
			yd[i+int(j)] = float32(r)
		}
	}
	return y
}

// TopK is 1 at the k largest numbers of each row and 0 elsewhere, as a constant: a
// mask to multiply by. x [T, D] -> [T, D]. The choice is [Rank]'s. For a gradient to
// x as if the mask were x, see [StraightThrough].
func TopK(c *Ctx, x Val, k int) Val {
	if k < 0 && c.err == nil {
		return c.failf("top-k", "%d numbers", k)
	}
	y := Rank(c, x)
	yd := c.Data(y)
	for i, r := range yd {
		yd[i] = 0
		if r < float32(k) {
			yd[i] = 1
		}
	}
	return y
}
