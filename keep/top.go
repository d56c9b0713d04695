package keep

import "math"

// Top returns the indices of the k largest scores in ascending order, all of
// them if there are fewer. Of equal scores the earlier one wins; NaN is below
// every number.
func Top(scores []float32, k int) []int {
	return appendTop(make([]int, 0, max(0, min(k, len(scores)))), scores, k)
}

// appendTop is Top into a slice that the caller has.
func appendTop(dst []int, scores []float32, k int) []int {
	switch {
	case k <= 0:
		return dst
	case k >= len(scores):
		for i := range scores {
			dst = append(dst, i)
		}
		return dst
	}
	least, ties := threshold(scores, k)
	for i, s := range scores {
		switch r := rank(s); {
		case r > least:
			dst = append(dst, i)
		case r == least && ties > 0:
			dst = append(dst, i)
			ties--
		}
	}
	return dst
}

// last returns the index that comes last in the order of Top.
func last(scores []float32) int {
	at, least, nan := 0, float32(math.Inf(1)), -1
	for i, s := range scores {
		if s <= least {
			at, least = i, s
		} else if s != s {
			nan = i
		}
	}
	if nan >= 0 {
		return nan
	}
	return at
}

// rank maps scores to whole numbers of the same order: NaN lowest, and the two
// zeros equal.
func rank(s float32) uint32 {
	if s != s {
		return 0
	}
	b := math.Float32bits(s + 0) // -0 becomes +0
	if b>>31 != 0 {
		return ^b
	}
	return b | 1<<31
}

// threshold returns the k-th largest rank, and how many of the k have exactly
// it. It finds the rank byte by byte from the highest, so that its time is
// linear whatever the scores.
func threshold(scores []float32, k int) (least uint32, ties int) {
	mask := uint32(0)
	for shift := 24; shift >= 0; shift -= 8 {
		var count [256]int
		for _, s := range scores {
			if r := rank(s); r&mask == least {
				count[r>>shift&255]++
			}
		}
		b := 255
		for count[b] < k {
			k -= count[b]
			b--
		}
		least |= uint32(b) << shift
		mask |= 255 << shift
	}
	return least, k
}
