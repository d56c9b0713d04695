package probe_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/micaml/mica/look/probe"
)

type array struct {
	Shape         []int
	F32, F64, I32 []byte
}

func decode[T any](t *testing.T, b []byte, n int) []T {
	t.Helper()
	out := make([]T, n)
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Least squares of least norm, with and without intercept, against PyTorch's pinv: wide,
// tall, and of low rank.
func TestMinimumIsPyTorchs(t *testing.T) {
	b, err := os.ReadFile("testdata/minimum.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Cases []struct {
			X, Labels, Weights, Centred, Bias array
			Classes                           int
		}
	}
	if err := json.Unmarshal(b, &f); err != nil || len(f.Cases) != 3 {
		t.Fatal(len(f.Cases), err)
	}
	for i, k := range f.Cases {
		n, w := k.X.Shape[0], k.X.Shape[1]
		d := &probe.Data{X: decode[float32](t, k.X.F32, n*w), Width: w, Labels: decode[int32](t, k.Labels.I32, n), Classes: k.Classes}
		for _, intercept := range []bool{false, true} {
			p, err := probe.Minimum(d, intercept)
			if err != nil {
				t.Fatal(err)
			}
			want, bias := decode[float64](t, k.Weights.F64, w*k.Classes), make([]float64, k.Classes)
			if intercept {
				want, bias = decode[float64](t, k.Centred.F64, w*k.Classes), decode[float64](t, k.Bias.F64, k.Classes)
			}
			for j := range want {
				if math.Abs(p.Weights[j]-want[j]) > 1e-5 {
					t.Errorf("case %d, intercept %v: weight %d is %v, want %v", i, intercept, j, p.Weights[j], want[j])
				}
			}
			for j := range bias {
				if math.Abs(p.Bias[j]-bias[j]) > 1e-5 {
					t.Errorf("case %d: bias %d is %v, want %v", i, j, p.Bias[j], bias[j])
				}
			}
		}
	}
}

// clouds is n points around as many centres as classes, in groups of their own.
func clouds(n, width, classes int, spread float64) *probe.Data {
	rng := rand.New(rand.NewPCG(2, 2))
	d := &probe.Data{Width: width, Classes: classes, Groups: 2}
	for i := range n {
		d.Labels, d.Group = append(d.Labels, int32(i%classes)), append(d.Group, int32(i/classes%2))
		for j := range width {
			x := spread * rng.NormFloat64()
			if j == i%classes {
				x += 2
			}
			d.X = append(d.X, float32(x*math.Pow(2, -float64(j))))
		}
	}
	return d
}

// At the minimum the gradient is 0, or within L1 where the weight is 0 and at L1 where
// it isn't.
func TestLogisticIsAtTheMinimum(t *testing.T) {
	d := clouds(90, 6, 3, 1)
	for _, pen := range []probe.Penalty{{L2: 0.01}, {L2: 1e-4}, {L1: 0.01}, {L1: 0.05, L2: 0.01}} {
		p, err := probe.Logistic(d, pen)
		if err != nil {
			t.Fatal(err)
		}
		grad, zero := make([]float64, 18), 0
		bias := make([]float64, 3)
		for i, l := range d.Labels {
			var s [3]float64
			sum := 0.0
			for k := range s {
				s[k] = p.Bias[k]
				for j := range 6 {
					s[k] += float64(d.X[i*6+j]) * p.Weights[j*3+k]
				}
				sum += math.Exp(s[k])
			}
			for k := range s {
				e := math.Exp(s[k]) / sum / 90
				if int32(k) == l {
					e -= 1.0 / 90
				}
				bias[k] += e
				for j := range 6 {
					grad[j*3+k] += e * float64(d.X[i*6+j])
				}
			}
		}
		for i, g := range grad {
			w := p.Weights[i]
			g += pen.L2 * w
			off := math.Abs(g)
			switch {
			case pen.L1 > 0 && w == 0:
				zero++
				off = max(0, off-pen.L1)
			case pen.L1 > 0:
				off = math.Abs(g + math.Copysign(pen.L1, w))
			}
			if off > 2e-5 {
				t.Errorf("%+v: the gradient of weight %d, %v, is %v: off by %v", pen, i, w, g, off)
			}
		}
		for k, g := range bias {
			if math.Abs(g) > 2e-5 {
				t.Errorf("%+v: the gradient of bias %d is %v", pen, k, g)
			}
		}
		if pen.L1 > 0 && zero < 3 {
			t.Errorf("%+v: only %d weights are 0", pen, zero)
		}
		again, err := probe.Logistic(d, pen)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("%+v: another probe of the same data, %v", pen, err)
		}
	}
}

func TestScales(t *testing.T) {
	d := clouds(200, 5, 3, 1)
	for i := range d.Len() {
		d.X[5*i+4] = 3 // tells nothing
		d.X[5*i+3] = 2 * d.X[5*i]
	}
	for _, kind := range []probe.Kind{probe.Scaled, probe.Standardized, probe.Whitened} {
		s, err := probe.Fit(d, kind)
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Apply(d)
		if err != nil {
			t.Fatal(err)
		}
		moment := func(j, k int) (m float64) {
			for i := range o.Len() {
				m += float64(o.X[i*o.Width+j]) * float64(o.X[i*o.Width+k]) / float64(o.Len())
			}
			return m
		}
		switch kind {
		case probe.Scaled:
			sum := 0.0
			for j := range 5 {
				sum += moment(j, j) / 5
			}
			if math.Abs(sum-1) > 1e-5 || math.Abs(float64(o.X[3])/float64(o.X[0])-2) > 1e-5 {
				t.Errorf("scaled: mean square %v, or other proportions", sum)
			}
		case probe.Standardized:
			for j := range 4 {
				if math.Abs(moment(j, j)-1) > 1e-5 {
					t.Errorf("standardized: variance %d is %v", j, moment(j, j))
				}
			}
			if moment(4, 4) != 0 {
				t.Errorf("a feature that is constant has become %v", o.X[4])
			}
		case probe.Whitened:
			if o.Width != 3 {
				t.Fatalf("whitened to %d directions, want 3", o.Width)
			}
			for j := range 3 {
				for k := range 3 {
					want := 0.0
					if j == k {
						want = 1
					}
					if math.Abs(moment(j, k)-want) > 1e-4 {
						t.Errorf("whitened: covariance %d %d is %v", j, k, moment(j, k))
					}
				}
			}
		}
	}
}

// A spurious feature decides for a probe of unbalanced groups, and no longer for one
// that was trained anew on balanced ones.
func TestRetrain(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	data := func(n int, agree float64) *probe.Data {
		d := &probe.Data{Width: 3, Classes: 2, Groups: 4}
		for i := range n {
			label := i % 2
			colour := label
			if rng.Float64() > agree {
				colour = 1 - label
			}
			d.Labels, d.Group = append(d.Labels, int32(label)), append(d.Group, int32(2*label+colour))
			d.X = append(d.X, float32(2*label-1)+float32(rng.NormFloat64()), 3*float32(2*colour-1), float32(rng.NormFloat64()))
		}
		return d
	}
	test := data(2000, 0.5)
	plain, err := probe.Logistic(data(600, 0.97), probe.Penalty{L2: 1e-4})
	if err != nil {
		t.Fatal(err)
	}
	before, err := plain.Score(test)
	if err != nil {
		t.Fatal(err)
	}
	p, err := probe.Retrain(data(600, 0.8), probe.Retraining{}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := p.Score(test)
	if err != nil {
		t.Fatal(err)
	}
	// The best there is: the first feature's sign, right for Φ(1) = 0.841.
	if before.Worst > 0.6 || after.Worst < 0.78 || math.Abs(after.Accuracy-0.841) > 0.03 || len(after.Groups) != 4 || slices.Min(after.Groups) != after.Worst {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if math.Abs(p.Weights[0]) < 5*math.Abs(p.Weights[2]) {
		t.Errorf("weights %v", p.Weights)
	}
}

func TestFew(t *testing.T) {
	d := clouds(30, 3, 3, 1)
	index, err := probe.Few(d, 4, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	got := d.Take(index)
	want := []int32{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}
	sorted := slices.Clone(index)
	slices.Sort(sorted)
	if !slices.Equal(got.Labels, want) || len(slices.Compact(sorted)) != 12 || !slices.Equal(got.X[:3], d.X[3*index[0]:3*index[0]+3]) {
		t.Errorf("%v: %v", index, got.Labels)
	}
}

func TestRefuses(t *testing.T) {
	one := &probe.Data{X: make([]float32, 4), Width: 2, Labels: []int32{1, 1}, Classes: 2, Group: []int32{0, 0}, Groups: 2}
	hole := &probe.Data{X: make([]float32, 6), Width: 2, Labels: []int32{0, 1, 1}, Classes: 2, Group: []int32{0, 0, 0}, Groups: 2}
	single := &probe.Data{X: []float32{1, 2, 3, 4}, Width: 2, Labels: []int32{0, 1}, Classes: 2, Group: []int32{0, 1}, Groups: 2}
	nan := &probe.Data{X: []float32{1, 2, 3, float32(math.NaN())}, Width: 2, Labels: []int32{0, 1}, Classes: 2}
	rng := rand.New(rand.NewPCG(1, 1))
	logistic := func(d *probe.Data, p probe.Penalty) error { _, err := probe.Logistic(d, p); return err }
	retrain := func(d *probe.Data) error { _, err := probe.Retrain(d, probe.Retraining{}, rng); return err }
	fit := func(d *probe.Data, k probe.Kind) error { _, err := probe.Fit(d, k); return err }
	minimum := func(d *probe.Data) error { _, err := probe.Minimum(d, true); return err }
	score := func(p probe.Probe, d *probe.Data) error { _, err := p.Score(d); return err }
	few := func(d *probe.Data, n int) error { _, err := probe.Few(d, n, rng); return err }
	same := *single
	same.X = []float32{1, 2, 1, 2}
	for _, r := range []struct {
		err  error
		want string
	}{
		{retrain(one), "probe: all 2 examples are of class 1: nothing can be told apart"},
		{retrain(hole), "probe: group 1 of 2 is empty"},
		{retrain(single), "probe: a group of one example can't be halved to choose the penalty: give one penalty"},
		{retrain(nan), "probe: number 1 of example 1 is NaN"},
		{retrain(&probe.Data{X: []float32{1, 2}, Width: 1, Labels: []int32{0, 1}, Classes: 2}), "probe: retraining needs the groups of the examples"},
		{score(probe.Probe{Weights: make([]float64, 4), Bias: make([]float64, 2)}, hole), "probe: group 1 of 2 is empty"},
		{score(probe.Probe{}, hole), "probe: 6 numbers for a probe of width 0"},
		{score(probe.Probe{Weights: make([]float64, 6), Bias: make([]float64, 3)}, hole), "probe: a probe [6] of 3 classes for data of width 2 and 2 classes"},
		{logistic(one, probe.Penalty{L2: 1}), "probe: all 2 examples are of class 1: nothing can be told apart"},
		{logistic(single, probe.Penalty{}), "probe: penalties 0 and 0: one of them is above 0, or nothing holds the weights"},
		{logistic(single, probe.Penalty{L1: -1}), "probe: penalties 0 and -1: one of them is above 0, or nothing holds the weights"},
		{minimum(&same), "probe: the representation is the same for all examples"},
		{fit(single, "big"), "probe: scale \"big\" is none of scaled, standardized, whitened"},
		{fit(&probe.Data{}, probe.Scaled), "probe: no examples"},
		{fit(&probe.Data{X: make([]float32, 3), Width: 2, Labels: []int32{0}, Classes: 2}, probe.Scaled), "probe: 3 numbers for 1 examples of width 2"},
		{fit(&probe.Data{X: make([]float32, 2), Width: 2, Labels: []int32{5}, Classes: 2}, probe.Scaled), "probe: example 0 has label 5, of 2 classes"},
		{few(single, 2), "probe: class 0 has 1 examples, and 2 are asked for"},
		{few(single, 0), "probe: 0 examples of each class"},
	} {
		if r.err == nil || r.err.Error() != r.want {
			t.Errorf("%v, want %s", r.err, r.want)
		}
	}
}
