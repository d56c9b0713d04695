package tokenizer

// minHeap is a heap of numbers with four children to a node. A megabyte of one
// letter fills it with a million of them: half the levels of a binary heap are
// half the cache misses, and container/heap would add calls through an interface.
type minHeap []uint64

// order makes a heap of numbers in any order.
func (h minHeap) order() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		h.down(i, h[i])
	}
}

func (h *minHeap) push(x uint64) {
	*h = append(*h, x)
	s, i := *h, len(*h)-1
	for i > 0 {
		up := (i - 1) / 4
		if s[up] <= x {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = x
}

func (h *minHeap) pop() uint64 {
	s := *h
	top, last := s[0], s[len(s)-1]
	*h = s[:len(s)-1]
	if len(*h) > 0 {
		h.down(0, last)
	}
	return top
}

// down puts x where it belongs at or below i.
func (h minHeap) down(i int, x uint64) {
	for {
		kid := 4*i + 1
		if kid >= len(h) {
			break
		}
		least := h[kid]
		for k := kid + 1; k < min(4*i+5, len(h)); k++ {
			if h[k] < least {
				kid, least = k, h[k]
			}
		}
		if x <= least {
			break
		}
		h[i] = least
		i = kid
	}
	h[i] = x
}
