package lm

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Sampler picks a token from logits. The zero value is greedy: the largest
// logit, and of equal ones the smallest id. Its random stream depends on Seed
// and on how often it was asked, and on nothing else.
type Sampler struct {
	Temperature float32 // 0: greedy
	TopK        int     // 0: all
	TopP        float32 // 0 or 1: all
	Seed        uint64

	rng   *rand.Rand
	order []int32
	prob  []float64
}

// Pick returns a token for logits [V].
func (s *Sampler) Pick(logits []float32) int32 {
	if s.Temperature <= 0 {
		return Argmax(logits)
	}
	if s.rng == nil {
		s.rng = rand.New(rand.NewPCG(s.Seed, 0x6d696361))
	}
	s.order = slices.Grow(s.order[:0], len(logits))[:len(logits)]
	for i := range s.order {
		s.order[i] = int32(i)
	}
	slices.SortFunc(s.order, func(a, b int32) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return int(a - b)
	})
	n := len(s.order)
	if s.TopK > 0 {
		n = min(n, s.TopK)
	}
	s.prob = s.prob[:0]
	total := 0.0
	for _, id := range s.order[:n] {
		w := math.Exp(float64(logits[id]-logits[s.order[0]]) / float64(s.Temperature))
		s.prob = append(s.prob, w)
		total += w
	}
	if s.TopP > 0 && s.TopP < 1 {
		sum := 0.0
		for i, w := range s.prob {
			if sum += w; sum >= float64(s.TopP)*total {
				n, total = i+1, sum
				break
			}
		}
	}
	x := s.rng.Float64() * total
	for i, w := range s.prob[:n] {
		if x -= w; x < 0 {
			return s.order[i]
		}
	}
	return s.order[n-1]
}

// Argmax returns the index of the largest number, the smallest of equal ones.
func Argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}
