package elr

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
)

// Symmetric noise of rate r changes a share of r(1 - 1/C), and asymmetric noise changes
// a share of r of the classes that it names, and no others.
func TestNoise(t *testing.T) {
	const classes, n = 10, 50_000
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(i % classes)
	}
	for _, k := range noises {
		got := k.apply(labels, classes, rand.New(rand.NewPCG(1, 1)))
		changed := make([]float64, classes)
		for i, l := range got {
			from := labels[i]
			if l == from {
				continue
			}
			changed[from] += classes / float64(n)
			if to, ok := k.flips[from]; k.flips != nil && (!ok || to != l) {
				t.Fatalf("%s: class %d was labelled %d", k, from, l)
			}
		}
		total := 0.0
		for class, share := range changed {
			total += share / classes
			want := k.rate * 0.9
			if k.flips != nil {
				want = 0
				if _, ok := k.flips[int32(class)]; ok {
					want = k.rate
				}
			}
			if math.Abs(share-want) > 0.025 {
				t.Errorf("%s: %.3f of class %d changed, want %.3f", k, share, class, want)
			}
		}
		if math.Abs(total-k.wrong()) > 0.005 {
			t.Errorf("%s: %.4f of the labels changed, and wrong says %.4f", k, total, k.wrong())
		}
		if again := k.apply(labels, classes, rand.New(rand.NewPCG(1, 1))); !reflect.DeepEqual(again, got) {
			t.Errorf("%s: the same seed gave other labels", k)
		}
		m, err := k.matrix(classes)
		if err != nil {
			t.Fatal(err)
		}
		for from, row := range m {
			sum := 0.0
			for _, p := range row {
				sum += float64(p)
			}
			if math.Abs(sum-1) > 1e-6 || math.Abs(float64(1-row[from])-changed[from]) > 0.025 {
				t.Errorf("%s: row %d of the matrix is %v", k, from, row)
			}
		}
	}
}

// The reference run of the specification: without the term the true class of the
// flipped points is predicted at step 3, hardly at 30, and never at 300; with lambda 1
// that is only put off; from lambda 2 on it holds.
func TestLinearTheory(t *testing.T) {
	plain, weak, strong := linear(0, 1, 1000), linear(1, 1, 1000), linear(2, 1, 1000)
	if a, b, c := at(plain, 3).Recovered, at(plain, 30).Recovered, at(plain, 300).Recovered; a < 0.95 || b > 0.4 || c > 0.01 {
		t.Errorf("lambda 0: recovered %v, %v, %v", a, b, c)
	}
	if a, b := at(weak, 30).Test, at(weak, 1000).Memorized; a < 0.98 || b < 0.9 {
		t.Errorf("lambda 1: test accuracy %v after 30 steps, memorized %v in the end", a, b)
	}
	if p := at(strong, 1000); p.Test < 0.99 || p.Memorized > 0.02 {
		t.Errorf("lambda 2: %+v", p)
	}
	if !reflect.DeepEqual(linear(2, 1, 50), linear(2, 1, 50)) {
		t.Error("the same seed gave another run")
	}
}

// A short run of every method on few made-up points gives the same looks for any
// number of threads, and what is seen are shares.
func TestMethodsLearn(t *testing.T) {
	for _, m := range methods {
		var want history
		for threads := 1; threads <= 2; threads++ {
			x, labels := clusters(3, 500, 0.5)
			all, err := newTable(x, labels)
			if err != nil {
				t.Fatal(err)
			}
			k, err := cut(all, labels, 320, 60, 120, 10, 3, noises[0])
			if err != nil {
				t.Fatal(err)
			}
			k.hidden, k.batch, k.epochs, k.every, k.engine.Threads = []int{32}, 32, 4, 2, threads
			h, err := k.learn(context.Background(), m, m.settings[0], 0.02, 5)
			if err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			if threads == 1 {
				want = h
			} else if !reflect.DeepEqual(h, want) {
				t.Errorf("%s: two threads see %+v, one %+v", m.name, h, want)
			}
			for _, l := range h.Looks {
				for _, share := range []float64{l.Test, l.Held, l.Clean, l.Memorized, l.Recovered, l.Memorized + l.Recovered} {
					if !(share >= 0 && share <= 1) {
						t.Errorf("%s: %+v", m.name, l)
					}
				}
			}
			if first, last := h.Looks[0].Test, h.last().Test; last < 0.3 && last <= first {
				t.Errorf("%s: test accuracy %v, and %v in the end: it doesn't learn", m.name, first, last)
			}
		}
	}
}

// Fashion-MNIST is cut into parts that share no picture.
func TestFashion(t *testing.T) {
	k, err := fashion(1, noises[3])
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI_REAL_DATA") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range k.truth {
		if k.truth[i] != k.given[i] {
			wrong++
		}
	}
	if share := float64(wrong) / float64(len(k.truth)); math.Abs(share-0.2) > 0.02 || len(k.truth) != 5400 || k.held.Len() != 600 || k.test.Len() != 2000 {
		t.Errorf("%d learned, %d held out, %d to test on; %.3f wrong", len(k.truth), k.held.Len(), k.test.Len(), share)
	}
}
