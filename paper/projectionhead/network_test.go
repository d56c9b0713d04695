package projectionhead

import (
	"context"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/micaml/mica/learn/head"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Classes are about equally often there, colours agree with labels as often as asked,
// and groups are label and colour.
func TestPictures(t *testing.T) {
	p := coloured(3, 4000, 0.95)
	agree := 0.0
	for i, g := range p.group {
		colour := int(g) % 2
		if int32(p.digit[i]/5) != p.label[i] || g/2 != p.label[i] {
			t.Fatalf("digit %d, label %d, group %d", p.digit[i], p.label[i], g)
		}
		energy := [2]float64{}
		for k, x := range p.parts[i*2*pixels : (i+1)*2*pixels] {
			energy[k/pixels] += float64(x) * float64(x)
		}
		if energy[colour] < energy[1-colour] {
			t.Fatalf("picture %d of colour %d has energies %v", i, colour, energy)
		}
		if int32(colour) == p.label[i] {
			agree += 1.0 / 4000
		}
	}
	if math.Abs(agree-0.95) > 0.015 {
		t.Errorf("colour agrees in %v", agree)
	}
	balanced := coloured(3, 400, 0)
	for g := range int32(4) {
		n := 0
		for i, k := range balanced.group {
			if k == g && balanced.digit[i]/5 == g/2 {
				n++
			}
		}
		if n != 100 {
			t.Errorf("group %d has %d pictures", g, n)
		}
	}
	if !reflect.DeepEqual(textured(5, 20, true), textured(5, 20, true)) {
		t.Error("the same seed gave other pictures")
	}
	count := make([]int, digits)
	for _, d := range textured(5, 2000, true).digit {
		count[d]++
	}
	if slices.Min(count) < 150 {
		t.Errorf("digits %v", count)
	}
}

// A view without its digit is the view of a picture that has none, and one that isn't
// moved is the picture.
func TestViews(t *testing.T) {
	p := textured(1, 1, false)
	plain := p.show(nil, p.parts, 2, 0, 0)
	for i, x := range plain {
		if x != p.parts[i]+2*p.parts[pixels+i] {
			t.Fatalf("pixel %d is %v", i, x)
		}
	}
	moved := p.show(nil, p.parts, 2, 1, -1)
	for r := 1; r < side; r++ {
		for c := range side - 1 {
			if moved[r*side+c] != plain[(r-1)*side+c+1] {
				t.Fatalf("pixel %d, %d isn't the one above and to the right", r, c)
			}
		}
	}
	draw := func(strength float32, drop float64) []float32 {
		return p.view(strength, drop)(nil, p.parts, rand.New(rand.NewPCG(4, 4)))
	}
	if !slices.Equal(draw(2, 1), draw(0, 0)) || slices.Equal(draw(2, 0), draw(0, 0)) {
		t.Error("a view that loses its digit has it, or one that doesn't has none")
	}
}

// Short runs give the same probes for any number of threads; before and after no head
// is the same; the fixed head projects by its factors.
func TestJobs(t *testing.T) {
	n := sizes{learned: 300, labelled: 150, balanced: 80, held: 80, test: 80, steps: 3}
	for _, j := range []job{
		{task: texture, loss: ntXent, drop: 0.5, strength: 1, head: head.None, rate: 0.003, deep: true},
		{task: texture, loss: ntXent, drop: 0.5, strength: 1, head: head.MLP, out: width / 2, rate: 0.003, decay: 0.1},
		{task: coarse, loss: supCon, strength: 1, head: head.Identity, rate: 0.003},
		{task: spurious, loss: ce, strength: 1, head: head.Fixed, kappa: 1.05, rate: 0.003},
	} {
		var want seen
		for threads := 1; threads <= 2; threads++ {
			s, err := j.learn(context.Background(), 7, n, pass.Options{Mode: op.Exact, Threads: threads})
			if err != nil {
				t.Fatalf("%s %s: %v", j.task, j.head, err)
			}
			if threads == 1 {
				want = s
			} else if s != want {
				t.Errorf("%s %s: two threads see %+v, one %+v", j.task, j.head, s, want)
			}
		}
		if same := want.Probe[0] == want.Probe[1] && want.Held[0] == want.Held[1] && want.Plain[0] == want.Plain[1]; j.head == head.None && !same {
			t.Errorf("no head: %+v", want)
		}
		if j.deep && !(want.Hidden > 0 && want.Few[0] > 0 && want.Whitened[0] > 0 && want.Ratio[0] > 1) {
			t.Errorf("deep: %+v", want)
		}
		if j.task == spurious && (want.Average[0] < want.Probe[0] || want.Average[1] < want.Probe[1]) {
			t.Errorf("the worst group is better than the mean: %+v", want)
		}
	}
}

// The encoder is the same at its start for every head of a seed.
func TestEncodersStartTheSame(t *testing.T) {
	x := textured(2, 3, false).clean(1)
	var want []float32
	for _, kind := range head.Kinds {
		l, err := job{task: texture, loss: ntXent, head: kind, kappa: 1.05}.network(pixels, 9, pass.Options{Mode: op.Exact})
		if err != nil {
			t.Fatal(err)
		}
		_, z, y, err := l.represent(context.Background(), x, pixels)
		l.eng.Close()
		if err != nil || len(z) != 3*width || len(y) != len(z) {
			t.Fatalf("%s: %d and %d numbers, %v", kind, len(z), len(y), err)
		}
		if want == nil {
			want = z
		}
		if !slices.Equal(z, want) {
			t.Errorf("%s: another start", kind)
		}
	}
}

// Student's interval of 1, 2, 3: 2 ± 4.303 / sqrt(3).
func TestInterval(t *testing.T) {
	mean, half := interval([]float64{1, 2, 3})
	if mean != 2 || math.Abs(half-4.3026527/math.Sqrt(3)) > 1e-6 || above(mean, half) {
		t.Errorf("%v ± %v", mean, half)
	}
	if _, half := interval([]float64{1}); !math.IsInf(half, 1) {
		t.Errorf("one number: ± %v", half)
	}
}
