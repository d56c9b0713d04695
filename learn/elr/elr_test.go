package elr_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/elr"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

type array struct{ F32, F64, I32 []byte }

func decode[T any](t *testing.T, b []byte) []T {
	t.Helper()
	out := make([]T, len(b)/binary.Size(*new(T)))
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// step returns the terms of a batch by name, and the gradient of the loss with
// respect to the logits.
func step(k train.Criterion, index []int, x []float32, labels []int32) (terms map[string]float64, dx []float32, err error) {
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	logits := c.From(x, len(index), len(x)/max(1, len(index)))
	c.Want(logits)
	all, err := k.Terms(c, logits, &dataset.Batch{Index: index, Labels: labels}, train.Step{})
	if err != nil {
		return nil, nil, err
	}
	terms = map[string]float64{}
	var seeds []grad.Seed
	for _, t := range all {
		terms[t.Name] = float64(c.Data(t.Val)[0])
		seeds = append(seeds, grad.Seed{Val: t.Val, Grad: []float32{t.Weight}})
	}
	if err := tape.BackwardFrom(seeds...); err != nil {
		return nil, nil, err
	}
	return terms, append(dx, tape.Of(logits)...), nil
}

func newLoss(t *testing.T, n, classes int, s elr.Settings) *elr.Loss {
	t.Helper()
	l, err := elr.New(n, classes, s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Three steps, one of them with probabilities beyond the clamp.
func TestPyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/elr.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Examples, Classes int
		Lambda, Beta      float32
		Steps             []struct {
			Index           []int
			X, Labels       array
			CrossEntropy    float64 `json:"cross_entropy"`
			ELR             float64
			Gradient, Table array
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	l := newLoss(t, f.Examples, f.Classes, elr.Settings{Lambda: f.Lambda, Beta: f.Beta})
	for i, s := range f.Steps {
		terms, dx, err := step(l, s.Index, decode[float32](t, s.X.F32), decode[int32](t, s.Labels.I32))
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(terms["cross_entropy"]-s.CrossEntropy) < 1e-6) || !(math.Abs(terms["elr"]-s.ELR) < 1e-6) {
			t.Errorf("step %d: %v, want %v and %v", i, terms, s.CrossEntropy, s.ELR)
		}
		for j, want := range decode[float64](t, s.Gradient.F64) {
			if !(math.Abs(float64(dx[j])-want) < 2e-6) {
				t.Errorf("step %d: gradient %d is %v, want %v", i, j, dx[j], want)
			}
		}
		for j, want := range decode[float64](t, s.Table.F64) {
			if got := l.Targets().Row(j / f.Classes)[j%f.Classes]; !(math.Abs(float64(got)-want) < 1e-6) {
				t.Errorf("step %d: average %d is %v, want %v", i, j, got, want)
			}
		}
	}
}

// Without weight the loss and its gradient are those of cross-entropy, bit for bit,
// and the table fills all the same.
func TestNoWeight(t *testing.T) {
	x, labels := []float32{1, 2, -1, 0.5, 0, 3}, []int32{0, 2}
	l := newLoss(t, 4, 3, elr.Settings{Beta: 0.7})
	terms, dx, err := step(l, []int{3, 1}, x, labels)
	if err != nil {
		t.Fatal(err)
	}
	want, dwant, err := step(train.CrossEntropy{}, []int{3, 1}, x, labels)
	if err != nil {
		t.Fatal(err)
	}
	if terms["cross_entropy"] != want["cross_entropy"] || !slices.Equal(dx, dwant) {
		t.Errorf("%v %v, cross-entropy has %v %v", terms, dx, want, dwant)
	}
	if l.Targets().Row(3)[1] == 0 || l.Targets().Row(0)[1] != 0 {
		t.Error("the table has other rows than those of the batch")
	}
}

// After k times the same prediction p the average is (1 - beta^k) p.
func TestAverageOfOnePrediction(t *testing.T) {
	l := newLoss(t, 1, 3, elr.Settings{Lambda: 1, Beta: 0.9})
	p := []float64{0.2, 0.5, 0.3}
	x := make([]float32, 3)
	for i := range p {
		x[i] = float32(math.Log(p[i]))
	}
	for k := 1; k <= 20; k++ {
		terms, _, err := step(l, []int{0}, x, []int32{1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			if want := (1 - math.Pow(0.9, float64(k))) * p[i]; math.Abs(float64(l.Targets().Row(0)[i])-want) > 1e-6 {
				t.Fatalf("after %d steps average %d is %v, want %v", k, i, l.Targets().Row(0)[i], want)
			}
		}
		if r := terms["elr"]; r > 0 || r < math.Log(1e-4) {
			t.Errorf("the term is %v", r)
		}
	}
}

// The gradient of the term is p_c (<p,t> - t_c) / (1 - <p,t>), whose sum is 0; with
// t = (1, 0) and p = (0.6, 0.4) it is (-0.6, 0.6), of a term of log 0.4.
func TestGradientOfTheTerm(t *testing.T) {
	gradient := func(t *testing.T, target, p []float64) (float64, []float32) {
		c := op.NewCtx(op.Exact, nil)
		tape := grad.Start(c)
		defer tape.End()
		x, tt := make([]float32, len(p)), make([]float32, len(p))
		for i := range p {
			x[i], tt[i] = float32(math.Log(p[i])), float32(target[i])
		}
		logits := c.From(x, 1, len(p))
		c.Want(logits)
		r := elr.Term(c, c.From(tt, 1, len(p)), op.Softmax(c, logits))
		if err := tape.Backward(r); err != nil {
			t.Fatal(err)
		}
		return float64(c.Data(r)[0]), slices.Clone(tape.Of(logits))
	}
	r, g := gradient(t, []float64{1, 0}, []float64{0.6, 0.4})
	if math.Abs(r-math.Log(0.4)) > 1e-6 || math.Abs(float64(g[0])+0.6) > 1e-6 || math.Abs(float64(g[1])-0.6) > 1e-6 {
		t.Errorf("term %v, gradient %v", r, g)
	}
	target, p := []float64{0.1, 0.5, 0.05, 0.2}, []float64{0.4, 0.3, 0.2, 0.1}
	_, g = gradient(t, target, p)
	inner, sum := 0.0, 0.0
	for i := range p {
		inner += p[i] * target[i]
	}
	for i := range p {
		want := p[i] * (inner - target[i]) / (1 - inner)
		sum += float64(g[i])
		if math.Abs(float64(g[i])-want) > 1e-6 {
			t.Errorf("gradient %d is %v, want %v", i, g[i], want)
		}
	}
	if math.Abs(sum) > 1e-6 {
		t.Errorf("the gradient sums to %v", sum)
	}
}

func TestRefused(t *testing.T) {
	for want, s := range map[string]elr.Settings{
		"elr: lambda -1 is negative or no number": {Lambda: -1},
		"elr: beta 1 is not in [0, 1)":            {Beta: 1},
	} {
		if _, err := elr.New(3, 2, s); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := elr.New(1<<40, 10, elr.Settings{}); err == nil {
		t.Error("a table of petabytes was accepted")
	}
	l := newLoss(t, 2, 2, elr.Settings{Lambda: 3, Beta: 0.7})
	nan := float32(math.NaN())
	for _, c := range []struct {
		index  []int
		x      []float32
		labels []int32
		want   string
	}{
		{[]int{2}, []float32{1, 2}, []int32{0}, "elr: example 2 of 2: the loss was made for another set"},
		{[]int{-1}, []float32{1, 2}, []int32{0}, "elr: example -1 of 2: the loss was made for another set"},
		{[]int{0}, []float32{nan, 2}, []int32{0}, "elr: example 0 has probabilities that sum to NaN"},
		{[]int{0}, []float32{1, 2, 3}, []int32{0}, "elr: 3 probabilities for 1 examples in 2 classes"},
		{[]int{0}, []float32{1, 2}, []int32{5}, "op: cross-entropy: target 5 at row 0 is not in [0, 2)"},
		{nil, nil, nil, "elr: a batch of no examples"},
	} {
		if _, _, err := step(l, c.index, c.x, c.labels); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestSuspectsAndState(t *testing.T) {
	l := newLoss(t, 4, 3, elr.Settings{Lambda: 3, Beta: 0.5})
	for range 3 {
		if _, _, err := step(l, []int{0, 1, 2}, []float32{5, 0, 0, 0, 2, 0, 0, 0, 6}, []int32{0, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := l.Targets().Suspects([]int32{0, 0, 0, 0})
	if err != nil || len(s) != 2 || s[0].Index != 2 || s[0].Target != 2 || s[1].Index != 1 || s[1].Target != 1 {
		t.Errorf("suspects %+v: %v", s, err)
	}
	other := newLoss(t, 4, 3, elr.Settings{Lambda: 3, Beta: 0.5})
	if err := other.Targets().Restore(l.Parts()["elr"].State()); err != nil || !slices.Equal(other.Targets().Row(2), l.Targets().Row(2)) {
		t.Errorf("restored %v, %v", other.Targets().Row(2), err)
	}
	if err := newLoss(t, 5, 3, elr.Settings{}).Targets().Restore(l.Targets().State()); err == nil {
		t.Error("a table of another size was accepted")
	}
}

// A label that contradicts what the network said before pulls less.
func Example() {
	l, err := elr.New(1, 2, elr.Settings{Lambda: 3, Beta: 0.7})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 4 {
		_, dx, err := step(l, []int{0}, []float32{2, 0}, []int32{1})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.2f ", dx[1])
	}
	// Output: -0.79 -0.68 -0.55 -0.42
}
