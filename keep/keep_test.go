package keep_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/pass"
)

func TestTop(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		scores []float32
		k      int
		want   []int
	}{
		{[]float32{1, 3, 2}, 2, []int{1, 2}},
		{[]float32{1, 3, 2}, 3, []int{0, 1, 2}},
		{[]float32{1, 3, 2}, 9, []int{0, 1, 2}},
		{[]float32{5, 5, 5, 5}, 2, []int{0, 1}}, // of equal ones the earlier
		{[]float32{0, 7, 5, 7, 5, 5}, 4, []int{1, 2, 3, 4}},
		{[]float32{-3, -1, -2}, 1, []int{1}},
		{[]float32{nan, -inf, nan, 1}, 2, []int{1, 3}}, // no number is below every number
		{[]float32{inf, nan, inf}, 1, []int{0}},
		{nil, 3, []int{}},
	} {
		if got := keep.Top(c.scores, c.k); !slices.Equal(got, c.want) {
			t.Errorf("top %d of %v: %v, want %v", c.k, c.scores, got, c.want)
		}
	}
}

// Whatever the scores: nothing outside beats anything inside.
func TestTopIsTheTop(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		s := make([]float32, 1+r.IntN(40))
		for i := range s {
			s[i] = float32(r.IntN(9) - 4) // many ties
		}
		before := slices.Clone(s)
		k := 1 + r.IntN(len(s))
		got := keep.Top(s, k)
		if !slices.Equal(s, before) {
			t.Fatal("the scores were changed")
		}
		if len(got) != k || !slices.IsSorted(got) {
			t.Fatalf("top %d of %v: %v", k, s, got)
		}
		for in := range got {
			for out := range s {
				if !slices.Contains(got, out) && (s[out] > s[got[in]] || s[out] == s[got[in]] && out < got[in]) {
					t.Fatalf("top %d of %v: %v lacks %d", k, s, got, out)
				}
			}
		}
	}
}

// Top agrees with a stable sort on numbers of every kind.
func TestTopIsAStableSort(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	special := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)),
		math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32}
	for range 500 {
		s := make([]float32, 1+r.IntN(300))
		for i := range s {
			switch r.IntN(3) {
			case 0:
				s[i] = math.Float32frombits(r.Uint32())
			case 1:
				s[i] = special[r.IntN(len(special))]
			default:
				s[i] = 1 + float32(r.IntN(1000))*0x1p-23 // they differ in the last byte alone
			}
		}
		want := make([]int, len(s))
		for i := range want {
			want[i] = i
		}
		slices.SortStableFunc(want, func(a, b int) int { return cmp.Compare(s[b], s[a]) })
		k := r.IntN(len(s) + 2)
		want = want[:min(k, len(s))]
		slices.Sort(want)
		if got := keep.Top(s, k); !slices.Equal(got, want) {
			t.Fatalf("top %d of %v: %v, want %v", k, s, got, want)
		}
	}
}

func TestMaxPool(t *testing.T) {
	for _, c := range []struct {
		window   int
		in, want []float32
	}{
		{1, []float32{3, -1, 2}, []float32{3, -1, 2}},
		{3, []float32{5, 0, 0, 0, 7}, []float32{5, 5, 0, 7, 7}},
		{5, []float32{-4, -2, -3}, []float32{-2, -2, -2}}, // nothing beyond the ends, not zero
		{3, nil, nil},
	} {
		if got := keep.MaxPool(c.in, c.window); !slices.Equal(got, c.want) {
			t.Errorf("window %d of %v: %v, want %v", c.window, c.in, got, c.want)
		}
	}
}

func TestCheckPrompt(t *testing.T) {
	for _, c := range []struct {
		seq  *pass.Seq
		k    int
		is   error
		want string
	}{
		{pass.NewSeq(1), 1, nil, "<nil>"},
		{pass.NewSeq(), 1, pass.ErrEmpty, "pass: no tokens to run"},
		{pass.NewSeq(1), 0, keep.ErrArgument, "bad setting: keep=0 must be at least 1"},
		{pass.NewSeq(1), -7, keep.ErrArgument, "bad setting: keep=-7 must be at least 1"},
	} {
		err := keep.CheckPrompt(c.seq, c.k)
		if fmt.Sprint(err) != c.want || !errors.Is(err, c.is) {
			t.Errorf("%d tokens, keep %d: %v, want %s", len(c.seq.Tokens), c.k, err, c.want)
		}
	}
}

func ExampleTop() {
	fmt.Println(keep.Top([]float32{0.1, 0.9, 0.3, 0.9}, 3))
	// Output: [1 2 3]
}
