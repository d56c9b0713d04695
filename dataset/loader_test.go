package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// counting is n examples whose number is their index.
func counting(t testing.TB, n int) Set {
	x, labels := make([]float32, n), make([]int32, n)
	for i := range x {
		x[i], labels[i] = float32(i), int32(i%3)
	}
	s, err := NewTable(x, []int{1}, labels, 3)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newLoader(t testing.TB, s Set, o Options) *Loader {
	l, err := NewLoader(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// take reads n batches and returns their examples.
func take(t testing.TB, l *Loader, n int) [][]int {
	var out [][]int
	for range n {
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range b.Index {
			if b.Labels[i] != int32(e%3) {
				t.Fatalf("example %d has label %d", e, b.Labels[i])
			}
		}
		out = append(out, slices.Clone(b.Index))
	}
	return out
}

func TestAnEpochIsAPermutation(t *testing.T) {
	l := newLoader(t, counting(t, 10), Options{Batch: 4, Seed: 1, Rest: true})
	var orders [][]int
	for range 3 {
		epoch := slices.Concat(take(t, l, l.Batches())...)
		orders = append(orders, slices.Clone(epoch))
		slices.Sort(epoch)
		if !slices.Equal(epoch, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Fatalf("epoch has examples %v", epoch)
		}
	}
	if slices.Equal(orders[0], orders[1]) && slices.Equal(orders[1], orders[2]) {
		t.Errorf("every epoch has the order %v", orders[0])
	}
}

func TestRestIsLeftOutOrKept(t *testing.T) {
	if n := newLoader(t, counting(t, 10), Options{Batch: 4}).Batches(); n != 2 {
		t.Errorf("without rest %d batches", n)
	}
	l := newLoader(t, counting(t, 10), Options{Batch: 4, Rest: true, InOrder: true})
	if got := take(t, l, 4); !reflect.DeepEqual(got, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}, {0, 1, 2, 3}}) {
		t.Errorf("in order: %v", got)
	}
}

// A loader that was put somewhere goes on as one that came there.
func TestSeek(t *testing.T) {
	draw := func(b *Batch, rng *rand.Rand) error {
		for i := range b.X {
			b.X[i] = rng.Float32()
		}
		return nil
	}
	o := Options{Batch: 3, Seed: 7, Transform: draw}
	numbers := func(l *Loader) (out [][]float32) {
		for range 9 {
			b, err := l.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, slices.Clone(b.X))
		}
		return out
	}
	l := newLoader(t, counting(t, 11), o)
	all := numbers(l)
	for from := range all {
		stopped := newLoader(t, counting(t, 11), o)
		take(t, stopped, from)
		text, err := json.Marshal(stopped.Position())
		if err != nil {
			t.Fatal(err)
		}
		var at Position
		if err := json.Unmarshal(text, &at); err != nil {
			t.Fatal(err)
		}
		other := newLoader(t, counting(t, 11), o)
		take(t, other, 2)
		if err := other.Seek(at); err != nil {
			t.Fatal(err)
		}
		if got := numbers(other); !reflect.DeepEqual(got[:len(all)-from], all[from:]) {
			t.Fatalf("from batch %d: %v, want %v", from, got[:len(all)-from], all[from:])
		}
	}
	if err := l.Seek(Position{Epoch: 0, Batch: 3}); err == nil {
		t.Error("a batch beyond the epoch was accepted")
	}
}

func TestLoaderErrors(t *testing.T) {
	if _, err := NewLoader(counting(t, 3), Options{Batch: 4}); err == nil || err.Error() != "dataset: 3 examples don't fill a batch of 4: make batches smaller" {
		t.Errorf("too few examples: %v", err)
	}
	if _, err := NewLoader(counting(t, 3), Options{}); err == nil {
		t.Error("batches of no examples were accepted")
	}
	broken := errors.New("broken")
	s := Make(4, nil, 0, func(b *Batch, i int) error {
		if i == 2 {
			return broken
		}
		return nil
	})
	l := newLoader(t, s, Options{Batch: 2, InOrder: true})
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := l.Next(ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 { // stays where it failed
		if _, err := l.Next(ctx); !errors.Is(err, broken) {
			t.Fatalf("example 2: %v", err)
		}
	}
	cancel()
	if _, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	l.Close()
	l.Close()
	if _, err := l.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestNextAllocatesLittle(t *testing.T) {
	l := newLoader(t, counting(t, 64), Options{Batch: 16, Seed: 1})
	take(t, l, 8)
	n := testing.AllocsPerRun(50, func() {
		if _, err := l.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	if n > 8 { // a channel, a goroutine, and at an epoch's begin a generator
		t.Errorf("%v allocations a batch", n)
	}
}
