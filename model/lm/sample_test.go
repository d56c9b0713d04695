package lm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/micaml/mica/model/lm"
)

func TestArgmax(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		x    []float32
		want int32
	}{
		{[]float32{1}, 0}, {[]float32{1, 2, 0}, 1}, {[]float32{3, 7, 7, 7}, 1}, {[]float32{0, 0}, 0},
		{[]float32{-2, -1, -1}, 1}, {[]float32{-inf, -inf, -1e30}, 2},
	} {
		if got := lm.Argmax(c.x); got != c.want {
			t.Errorf("argmax of %v is %d, want %d", c.x, got, c.want)
		}
		// The zero sampler is greedy, and so is a top k of 1 at any heat.
		for _, s := range []lm.Sampler{{}, {TopP: 0.1}, {TopK: 5}, {Temperature: 3, TopK: 1}, {Temperature: 2, TopP: 1e-9}} {
			if got := s.Pick(c.x); got != c.want {
				t.Errorf("%+v picks %d of %v, want %d", s, got, c.x, c.want)
			}
		}
	}
}

// probabilities is the definition, in float64: softmax at a temperature over
// the k best, of which the fewest that together have p stay, as parts of what
// is left. Of equal logits the smaller id is better.
func probabilities(logits []float32, temperature float64, k int, p float64) []float64 {
	ids := make([]int, len(logits))
	for i := range ids {
		ids[i] = i
	}
	sort.SliceStable(ids, func(a, b int) bool { return logits[ids[a]] > logits[ids[b]] })
	if k > 0 {
		ids = ids[:min(k, len(ids))]
	}
	sum := func(ids []int) (s float64) {
		for _, i := range ids {
			s += math.Exp(float64(logits[i]) / temperature)
		}
		return s
	}
	if p > 0 && p < 1 {
		n := 1
		for n < len(ids) && sum(ids[:n])/sum(ids) < p {
			n++
		}
		ids = ids[:n]
	}
	out := make([]float64, len(logits))
	for _, i := range ids {
		out[i] = math.Exp(float64(logits[i])/temperature) / sum(ids)
	}
	return out
}

// Frequencies of 20,000 draws: within 5 standard deviations of the definition
// for each token, and never a token that has been cut off. The seeds are
// fixed, so the outcome is too.
func TestSamplerFollowsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	const draws = 20000
	for i, c := range []struct {
		v           int
		temperature float32
		k           int
		p           float32
	}{
		{10, 1, 0, 0}, {10, 0.5, 0, 0}, {10, 3, 0, 1}, {10, 1, 3, 0}, {10, 1, 0, 0.7}, {30, 1.5, 12, 0.6},
		{30, 0.8, 100, 0.95}, {1, 1, 0, 0}, {5, 0.05, 0, 0.999}, {200, 1, 40, 0.9},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			logits := make([]float32, c.v)
			for j := range logits {
				logits[j] = float32(2 * r.NormFloat64())
			}
			if c.v > 4 {
				logits[3] = logits[1] // a tie
			}
			want := probabilities(logits, float64(c.temperature), c.k, float64(c.p))
			s := lm.Sampler{Temperature: c.temperature, TopK: c.k, TopP: c.p, Seed: uint64(i)}
			count := make([]float64, c.v)
			for range draws {
				count[s.Pick(logits)]++
			}
			for j, p := range want {
				if off := math.Abs(count[j] - p*draws); off > 5*math.Sqrt(draws*p*(1-p))+1e-6 {
					t.Errorf("token %d: drawn %v times, its probability is %v", j, count[j], p)
				}
			}
		})
	}
}

func TestSamplerSeed(t *testing.T) {
	logits := make([]float32, 50)
	draw := func(seed uint64) []int32 {
		s := lm.Sampler{Temperature: 1, Seed: seed}
		var ids []int32
		for range 30 {
			ids = append(ids, s.Pick(logits))
		}
		return ids
	}
	if a, b := draw(7), draw(7); !slices.Equal(a, b) {
		t.Errorf("one seed: %v and %v", a, b)
	}
	if slices.Equal(draw(7), draw(8)) {
		t.Error("two seeds, one stream")
	}
	// A copy that has not drawn yet is a stream of its own.
	s := lm.Sampler{Temperature: 1, Seed: 7}
	c := s
	s.Pick(logits)
	if got, want := c.Pick(logits), draw(7)[0]; got != want {
		t.Errorf("a copy draws %d, want %d", got, want)
	}
	before := slices.Clone(logits)
	s.Pick(logits)
	if !slices.Equal(logits, before) {
		t.Error("the logits were changed")
	}
}
