package richlazy

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/dataset/trial"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/look/kernel"
	"github.com/micaml/mica/nn/wiring"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
	"gonum.org/v1/gonum/mat"
)

var own = paper.Paper{Slug: "rich-lazy", Title: "Rich and lazy", Experiment: &Experiment}

// A quick run judges what it may and no more, and tells its progress step by step.
func TestQuickRun(t *testing.T) {
	if testing.Short() {
		t.Skip("trains networks")
	}
	steps, total := 0, 0
	r, err := own.Reproduce(t.Context(), paper.Setting{Quick: true, Folder: t.TempDir(), Engine: pass.Options{Threads: 2},
		Progress: func(done, all int, _ string) {
			if done != steps {
				t.Errorf("step %d is told as %d", steps, done)
			}
			steps, total = steps+1, all
		}})
	if err != nil {
		t.Fatal(err)
	}
	if steps != total {
		t.Errorf("%d steps, and %d were said", steps, total)
	}
	for i, v := range r.Claims {
		if judged := v.Holds != nil; judged != claims[i].Exact {
			t.Errorf("claim %s: judged %t", v.ID, judged)
		}
		if v.Holds != nil && !*v.Holds {
			t.Errorf("claim %s does not hold: %s", v.ID, v.Value())
		}
	}
	if len(r.Pictures) != 6 {
		t.Errorf("pictures %v", r.Pictures)
	}
}

// What is found depends neither on how many jobs run side by side nor on their order.
func TestWorkers(t *testing.T) {
	found := map[int][]outcome{}
	for _, threads := range []int{1, 3} {
		x := &experiment{r: &paper.Run{Setting: paper.Setting{Engine: pass.Options{Threads: threads}, Progress: func(int, int, string) {}}}, plan: quick}
		if err := x.setUp(); err != nil {
			t.Fatal(err)
		}
		var jobs []job
		for _, a := range x.arms[:5] {
			jobs = append(jobs, job{a.name, func(ctx context.Context) (func(), error) {
				o, err := x.trial(ctx, x.tasks[0], a, 3, 0.01)
				return func() { found[threads] = append(found[threads], *o) }, err
			}})
		}
		if err := x.all(t.Context(), jobs); err != nil {
			t.Fatal(err)
		}
	}
	if len(found[1]) != 5 || !reflect.DeepEqual(found[1], found[3]) {
		t.Errorf("one at a time:\n%+v\nthree:\n%+v", found[1], found[3])
	}
	ended, end := context.WithCancel(t.Context())
	end()
	x := &experiment{r: &paper.Run{}, plan: quick}
	err := x.all(ended, []job{{"never", func(context.Context) (func(), error) { return nil, errors.New("it ran") }}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended before it began: %v", err)
	}
}

func small(t *testing.T, coherences ...float64) (*task, *network) {
	t.Helper()
	p, err := trial.Perceptual(noise, coherences...)
	if err != nil {
		t.Fatal(err)
	}
	w, err := wiring.Normal(rand.New(rand.NewPCG(1, 1)), 16, gain)
	if err != nil {
		t.Fatal(err)
	}
	k := trials(p, 400)
	return k, newNetwork(5, k, w)
}

func batch(t *testing.T, s dataset.Set, err error) *dataset.Batch {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	index := make([]int, s.Len())
	for i := range index {
		index[i] = i
	}
	var b dataset.Batch
	if err := s.Read(&b, index); err != nil {
		t.Fatal(err)
	}
	return &b
}

// The first gradient of the linearised network is the network's, and so is its output; a
// step along it changes the outputs as J says.
func TestLinearisedIsTheFirstOrder(t *testing.T) {
	k, n := small(t, coherences...)
	s, err := k.looked(20, 1)
	b := batch(t, s, err)
	l := newLinearised(n)
	gradients := func(what train.Task) (all [][]float32, loss float32) {
		c := what.NewCtx()
		tape := grad.Start(c)
		defer tape.End()
		for _, w := range what.Weights() {
			w.Train()
		}
		terms, err := what.Loss(c, b, train.Step{})
		if err != nil {
			t.Fatal(err)
		}
		var seeds []grad.Seed
		for _, term := range terms {
			loss += term.Weight * c.Data(term.Val)[0]
			seeds = append(seeds, grad.Seed{Val: term.Val, Grad: []float32{term.Weight}})
		}
		if err := tape.BackwardFrom(seeds...); err != nil {
			t.Fatal(err)
		}
		for _, w := range what.Weights() {
			all, w.Grad = append(all, w.Grad), nil
		}
		return all, loss
	}
	want, loss := gradients(n)
	got, same := gradients(l)
	if math.Abs(float64(loss-same)) > 1e-5 {
		t.Errorf("loss %v, want %v", same, loss)
	}
	for i := range want {
		size := norm(want[i])
		for j := range want[i] {
			if d := math.Abs(float64(got[i][j] - want[i][j])); !(d <= 1e-5*size) || size == 0 {
				t.Fatalf("gradient of %s: %v, want %v", n.Weights()[i].Name, got[i][j], want[i][j])
			}
		}
	}
	// A small change of all weights changes both networks' outputs alike, to first order.
	rng := rand.New(rand.NewPCG(2, 2))
	const h = 1e-3
	for _, w := range l.Weights() {
		change, _ := w.F32()
		for j := range change {
			change[j] = float32(h * rng.NormFloat64())
		}
	}
	c := n.NewCtx()
	_, before, err := n.outputs(c, b)
	if err != nil {
		t.Fatal(err)
	}
	base := append([]float32(nil), c.Data(before)...)
	ys := l.outputs(c, b.X, b.Len())
	var linear [][]float32
	for _, y := range ys {
		linear = append(linear, append([]float32(nil), c.Data(y)...))
	}
	for i, w := range n.Weights() {
		x, _ := w.F32()
		d, _ := l.Weights()[i].F32()
		for j := range x {
			x[j] += d[j]
		}
	}
	_, moved, err := n.outputs(c, b)
	if err != nil {
		t.Fatal(err)
	}
	after, outputs := c.Data(moved), n.out.Out()
	change, off := 0.0, 0.0
	for i := range b.Len() {
		for step := range n.steps {
			for o := range outputs {
				at := (i*n.steps+step)*outputs + o
				change += math.Pow(float64(after[at]-base[at]), 2)
				off += math.Pow(float64(after[at]-linear[step][i*outputs+o]), 2)
			}
		}
	}
	if !(math.Sqrt(off) < 0.1*math.Sqrt(change)) {
		t.Errorf("the expansion is off by %v of a change of %v", math.Sqrt(off), math.Sqrt(change))
	}
}

// Without coherence no network decides better than by chance; the best that can be
// reached with all coherences is a loss above 0, and no network is below it.
func TestDecisionsHaveABound(t *testing.T) {
	k, n := small(t, 0)
	if _, err := learn(t.Context(), n, n.Weights(), k, 3, 0.01); err != nil {
		t.Fatal(err)
	}
	s, err := k.looked(2000, 3)
	_, accuracy, err := n.outcome(batch(t, s, err))
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(accuracy-0.5) > 4*math.Sqrt(0.25/2000) {
		t.Errorf("accuracy %v without coherence", accuracy)
	}

	k, n = small(t, coherences...)
	if _, err := learn(t.Context(), n, n.Weights(), k, 3, 0.03); err != nil {
		t.Fatal(err)
	}
	s, err = k.looked(4000, 3)
	b := batch(t, s, err)
	loss, accuracy, err := n.outcome(b)
	if err != nil {
		t.Fatal(err)
	}
	// The sum of seven differences is all that tells the label; its coherence is unknown.
	best := 0.0
	for i, label := range b.Labels {
		sum := 0.0
		for step := range 7 {
			sum += float64(b.X[i*24+3*step+1] - b.X[i*24+3*step+2])
		}
		var p [2]float64
		for _, c := range coherences {
			for j, sign := range []float64{1, -1} {
				d := sum - sign*7*c/100
				p[j] += math.Exp(-d * d / (2 * 14 * noise * noise))
			}
		}
		best -= math.Log(p[label-1]/(p[0]+p[1])) / float64(len(b.Labels)) / 8
	}
	if !(best > 0.02) || loss < best {
		t.Errorf("loss %v, and the best observer's is %v", loss, best)
	}
	if loss > 1.5*best || accuracy < 0.75 {
		t.Errorf("loss %v and accuracy %v: nothing was learnt; the best loss is %v", loss, accuracy, best)
	}
}

// All arms of a seed begin with the same input and readout.
func TestArmsShareTheRest(t *testing.T) {
	x := &experiment{r: &paper.Run{}, plan: quick}
	if err := x.setUp(); err != nil {
		t.Fatal(err)
	}
	var first *network
	names := map[string]bool{}
	for _, a := range x.arms {
		n, o, err := x.begin(x.tasks[0], a, 4)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = n
		}
		for _, i := range []int{0, 2} {
			got, _ := n.Weights()[i].F32()
			want, _ := first.Weights()[i].F32()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: another %s", a.name, n.Weights()[i].Name)
			}
		}
		w, _ := n.rnn.W.F32()
		f, _ := first.rnn.W.F32()
		size := norm(w) / norm(f)
		switch {
		case strings.HasPrefix(a.name, "gain"):
			if math.Abs(size-a.gain/gain) > 1e-5 {
				t.Errorf("%s: norm %v", a.name, size)
			}
		case strings.HasSuffix(a.name, "stretched"):
			if size >= 1 {
				t.Errorf("%s: norm %v", a.name, size)
			}
		case math.Abs(size-1) > 1e-5:
			t.Errorf("%s: norm %v", a.name, size)
		}
		if a.rank > 0 && a.rank < x.units && (o.Entropy > float64(a.rank)+1e-9 || o.Stable > o.Partic+1e-9 && a.rank > 1) {
			t.Errorf("%s: effective ranks %v %v %v", a.name, o.Entropy, o.Partic, o.Stable)
		}
		if names[a.name] {
			t.Errorf("%s twice", a.name)
		}
		names[a.name] = true
	}
	for _, name := range append([]string{fullRank, "rank 1", "rank 1, stretched"}, structured...) {
		if !names[name] {
			t.Errorf("no arm %q", name)
		}
	}
}

func TestAgree(t *testing.T) {
	o := func(loss float64) outcome { return outcome{Final: loss} }
	for _, c := range []struct {
		runs []outcome
		want bool
	}{
		{[]outcome{o(1), o(1.04)}, true}, {[]outcome{o(1), o(1.06)}, false}, {[]outcome{o(1e-4), o(9e-4)}, true},
		{[]outcome{o(1e-4), o(2e-3)}, false}, {[]outcome{o(1), {Final: 1, Failed: "NaN"}}, false},
	} {
		if got := agree(c.runs...); got != c.want {
			t.Errorf("%v agree: %t", c.runs, got)
		}
	}
}

func TestEffect(t *testing.T) {
	if got := spearman([]float64{1, 8, 21, 64}, []float64{0.1, 0.2, 0.4, 0.3}); math.Abs(got-0.8) > 1e-12 {
		t.Errorf("Spearman's correlation %v, want 0.8", got)
	}
	if got := spearman([]float64{1, 2, 3}, []float64{5, 1, 1}); math.Abs(got+math.Sqrt(3)/2) > 1e-12 {
		t.Errorf("with a tie %v", got) // places 3, 1.5, 1.5
	}
	// Normal values: the interval is about 1.96 standard errors wide on each side.
	rng := rand.New(rand.NewPCG(6, 6))
	var values []float64
	for range 400 {
		values = append(values, 2+rng.NormFloat64())
	}
	e := effectOf(values, 400)
	if math.Abs(e.mean-2) > 0.2 || math.Abs((e.high-e.low)/2-1.96/20) > 0.015 || e.low > e.mean || e.high < e.mean {
		t.Errorf("%+v", e)
	}
	if e := effectOf(nil, 3); e.low > 0 || e.n != 0 || e.String() != "no seed of 3 counts" {
		t.Errorf("%+v %s", e, e)
	}
}

// The linear theory conserves W1 W1ᵀ - W2ᵀ W2, up to what a step of a rate does: half the
// rate, half the drift.
func TestConservation(t *testing.T) {
	drift := func(rate float64) float64 {
		l := begin(t, theories[2], 1)
		invariant := func() *mat.Dense {
			var m mat.Dense
			w := mat.NewDense(units, inputs, l.first)
			m.Mul(w, w.T())
			m.Apply(func(i, j int, v float64) float64 { return v - l.second[i]*l.second[j] }, &m)
			return &m
		}
		before := invariant()
		if err := l.learn(rate, 1e-12, 1_000_000); err != nil {
			t.Fatal(err)
		}
		var d mat.Dense
		d.Sub(invariant(), before)
		return mat.Norm(&d, 2)
	}
	a, b, c := drift(0.02), drift(0.01), drift(0.005)
	if r := a / b; r < 1.8 || r > 2.2 {
		t.Errorf("drifts %v and %v", a, b)
	}
	if r := b / c; r < 1.8 || r > 2.2 || a > 0.05 {
		t.Errorf("drifts %v and %v", b, c)
	}
}

func begin(t *testing.T, how theory, size float64) *linear {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 81))
	target, err := newTarget(rng, 1)
	if err != nil {
		t.Fatal(err)
	}
	w, err := how.make(rng, target)
	if err != nil {
		t.Fatal(err)
	}
	if w, err = wiring.Size(w, size); err != nil {
		t.Fatal(err)
	}
	l := &linear{first: w.RawMatrix().Data, target: target.beta}
	for range units {
		l.second = append(l.second, 1e-3*rng.NormFloat64())
	}
	return l
}

// The alignment of the operators is that of the tangent kernels on whitened inputs, which
// package kernel makes from gradients.
func TestOperatorIsTheTangentKernel(t *testing.T) {
	l := begin(t, theories[1], 1)
	// Rows of an orthogonal matrix: whitened inputs.
	x, err := wiring.Orthogonal(rand.New(rand.NewPCG(3, 3)), inputs, 1)
	if err != nil {
		t.Fatal(err)
	}
	explicit := func() *mat.SymDense {
		c := op.NewCtx(op.Exact, nil)
		first := wiring.Weight("first", mat.NewDense(units, inputs, l.first))
		second := wiring.Weight("second", mat.NewDense(1, units, l.second))
		var sum *mat.SymDense
		for _, w := range []*op.Weight{first, second} {
			k, err := kernel.Tangent(c, w, inputs, 0, func(c *op.Ctx, i int) op.Val {
				row := make([]float32, inputs)
				for j := range row {
					row[j] = float32(x.At(i, j))
				}
				return op.Linear(c, op.Linear(c, c.View(row, 1, inputs), first), second)
			})
			if err != nil {
				t.Fatal(err)
			}
			if sum == nil {
				sum = k
			} else {
				sum.AddSym(sum, k)
			}
		}
		return sum
	}
	m0, k0 := l.operator(), explicit()
	if err := l.learn(0.01, 1e-12, 1_000_000); err != nil {
		t.Fatal(err)
	}
	want, err := kernel.Alignment(m0, l.operator())
	if err != nil {
		t.Fatal(err)
	}
	got, err := kernel.Alignment(k0, explicit())
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got-want) > 1e-5 || want > 0.9 {
		t.Errorf("kernels %v, operators %v", got, want)
	}
}

// The theory's means are those of the specification's independent check: 20 targets, so
// that means may be off by some of their standard errors.
func TestTheoryIsTheIndependentCheck(t *testing.T) {
	want := map[float64][6]float64{
		0.5: {0.22, 0.33, 0.50, 0.66, 0.80, 0.46}, 1: {0.23, 0.38, 0.54, 0.69, 0.81, 0.64},
		2: {0.60, 0.56, 0.69, 0.77, 0.86, 0.97}, 4: {0.96, 0.91, 0.88, 0.93, 0.96, 1},
	}
	for size, row := range want {
		for i, how := range theories[:6] {
			var found []linearPoint
			for seed := range uint64(12) {
				p, err := learnLinear(seed, how, size, 1)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, p)
			}
			got, off := linearMean(found, linearTangent), 0.02+4*spread(found)*math.Sqrt(1.0/12+1.0/20)
			if math.Abs(got-row[i]) > off {
				t.Errorf("%s, norm %g: %.3f, want %.2f ± %.3f", how.name, size, got, row[i], off)
			}
		}
	}
}

func TestSlowTheoryIsAnError(t *testing.T) {
	l := begin(t, theories[0], 1)
	if err := l.learn(0.01, 1e-12, 3); err == nil || err.Error() != "the linear network has not learnt its target" {
		t.Error(err)
	}
}

func TestHalve(t *testing.T) {
	got := halve([]float32{1, 3, 5, 7, 1, 3, 5, 7, 0, 0, 8, 8, 4, 4, 0, 0}, 4)
	if !reflect.DeepEqual(got, []float32{2, 6, 2, 4}) {
		t.Error(got)
	}
}
