package baseline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/baseline"
	"github.com/micaml/mica/pass"
)

// prompt has n tokens; none of the baselines looks at them, or at a network.
func prompt(n int) *pass.Seq { return pass.NewSeq(make([]int32, n)...) }

func kept(t *testing.T, s keep.Selector, n int) []int {
	t.Helper()
	seq := prompt(n)
	sel, err := s.Select(context.Background(), nil, seq)
	if err != nil {
		t.Fatal(err)
	}
	if sel.Layer != -1 {
		t.Errorf("%T looked at layer %d", s, sel.Layer)
	}
	if len(seq.Tokens) != n || seq.Next() != 0 {
		t.Errorf("%T changed the prompt", s)
	}
	return sel.Kept
}

func TestFullAndLast(t *testing.T) {
	for _, c := range []struct {
		s    keep.Selector
		n    int
		want []int
	}{
		{baseline.Full{}, 4, []int{0, 1, 2, 3}},
		{baseline.Last{Keep: 2}, 5, []int{3, 4}},
		{baseline.Last{Keep: 5}, 5, []int{0, 1, 2, 3, 4}},
		{baseline.Last{Keep: 99}, 3, []int{0, 1, 2}},
		{baseline.Random{Keep: 3, Seed: 9}, 3, []int{0, 1, 2}},
		{baseline.Random{Keep: 99}, 2, []int{0, 1}},
	} {
		if got := kept(t, c.s, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%T%+v of %d: %v, want %v", c.s, c.s, c.n, got, c.want)
		}
	}
}

func TestRandom(t *testing.T) {
	const n, k, draws = 50, 20, 2000
	count := make([]int, n)
	for seed := range uint64(draws) {
		got := kept(t, baseline.Random{Keep: k, Seed: seed}, n)
		if len(got) != k {
			t.Fatalf("seed %d: %d kept", seed, len(got))
		}
		for i, x := range got {
			if x < 0 || x >= n || i > 0 && x <= got[i-1] {
				t.Fatalf("seed %d: %v", seed, got)
			}
			count[x]++
		}
	}
	// Each index is drawn with probability 2/5: 800 times, and five standard
	// deviations are 110. The seeds are fixed, so this can't be bad luck.
	for i, c := range count {
		if c < 690 || c > 910 {
			t.Errorf("index %d was kept %d times of %d", i, c, draws)
		}
	}
	again := func(seed uint64, n int) []int { return kept(t, baseline.Random{Keep: k, Seed: seed}, n) }
	if !slices.Equal(again(3, n), again(3, n)) {
		t.Error("one seed, two draws")
	}
	if slices.Equal(again(3, n), again(4, n)) {
		t.Error("two seeds, one draw")
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		s    keep.Selector
		n    int
		is   error
		want string
	}{
		{baseline.Full{}, 0, pass.ErrEmpty, "full: pass: no tokens to run"},
		{baseline.Last{Keep: 1}, 0, pass.ErrEmpty, "last: pass: no tokens to run"},
		{baseline.Last{}, 1, keep.ErrArgument, "last: bad setting: keep=0 must be at least 1"},
		{baseline.Random{Keep: 1}, 0, pass.ErrEmpty, "random: pass: no tokens to run"},
		{baseline.Random{Keep: -1}, 1, keep.ErrArgument, "random: bad setting: keep=-1 must be at least 1"},
	} {
		_, err := c.s.Select(context.Background(), nil, prompt(c.n))
		if fmt.Sprint(err) != c.want || !errors.Is(err, c.is) {
			t.Errorf("%T%+v of %d: %v, want %s", c.s, c.s, c.n, err, c.want)
		}
	}
}

func Example() {
	prompt := pass.NewSeq(1, 2, 3, 4, 5, 6, 7, 8)
	for _, s := range []keep.Selector{baseline.Full{}, baseline.Last{Keep: 3}} {
		sel, err := s.Select(context.Background(), nil, prompt)
		fmt.Println(sel.Kept, err)
	}
	// Output:
	// [0 1 2 3 4 5 6 7] <nil>
	// [5 6 7] <nil>
}
