package contrast_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/contrast"
	"github.com/micaml/mica/learn/head"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
)

// run returns a criterion's loss, its gradient with respect to the representation, and
// its terms' values.
func run(k train.Criterion, x []float32, index []int, labels []int32) (loss float64, dx []float32, terms map[string]float64, err error) {
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	y := c.From(x, len(index), len(x)/max(1, len(index)))
	c.Want(y)
	all, err := k.Terms(c, y, &dataset.Batch{Index: index, Labels: labels}, train.Step{})
	if err != nil {
		return 0, nil, nil, err
	}
	terms = map[string]float64{}
	var seeds []grad.Seed
	for _, t := range all {
		terms[t.Name] = float64(c.Data(t.Val)[0])
		loss += float64(t.Weight) * terms[t.Name]
		seeds = append(seeds, grad.Seed{Val: t.Val, Grad: []float32{t.Weight}})
	}
	if err := tape.BackwardFrom(seeds...); err != nil {
		return 0, nil, nil, err
	}
	return loss, append(dx, tape.Of(y)...), terms, nil
}

type array struct {
	Shape    []int
	F32, F64 []byte
}

func decode[T any](t *testing.T, b []byte, n int) []T {
	t.Helper()
	out := make([]T, n)
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// thresholded is the identity head's activation with a threshold of 0.3.
type thresholded struct{ train.Criterion }

func (k thresholded) Terms(c *op.Ctx, y op.Val, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	return k.Criterion.Terms(c, head.SymmetricReLU(c, y, c.From([]float32{0.3}, 1, 1)), b, s)
}

func TestPyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/losses.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		X      array
		Index  []int
		Labels []int32
		Losses map[string]struct {
			Loss     float64
			Gradient array
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	n := f.X.Shape[0] * f.X.Shape[1]
	x := decode[float32](t, f.X.F32, n)
	fixed, err := head.NewReweighting(f.X.Shape[1], 1.3)
	if err != nil {
		t.Fatal(err)
	}
	nt := contrast.NTXent{Temperature: 0.5}
	for name, k := range map[string]train.Criterion{
		"nt_xent": nt, "sup_con": contrast.SupCon{Temperature: 0.5}, "spectral": contrast.Spectral{},
		"reweighted": head.Projected{Head: fixed, Loss: nt}, "identity": thresholded{nt},
	} {
		loss, dx, _, err := run(k, x, f.Index, f.Labels)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, ok := f.Losses[name]
		if !ok || !(math.Abs(loss-want.Loss) < 2e-6*max(1, math.Abs(want.Loss))) {
			t.Errorf("%s: loss %v, want %v", name, loss, want.Loss)
		}
		for i, w := range decode[float64](t, want.Gradient.F64, n) {
			if !(math.Abs(float64(dx[i])-w) < 2e-6*max(1, math.Abs(w))) {
				t.Errorf("%s: gradient %d is %v, want %v", name, i, dx[i], w)
			}
		}
	}
}

// Two classes at opposite points: of an anchor's n-1 others, n/2-1 are at cosine 1 and
// n/2 at -1.
func TestSupConOfTwoOppositePoints(t *testing.T) {
	const n, tau = 8, 0.5
	var x []float32
	var index []int
	var labels []int32
	for i := range n {
		s := float32(1 - 2*(i%2))
		x, index, labels = append(x, 3*s, 4*s), append(index, i), append(labels, int32(i%2))
	}
	want := -1/tau + math.Log((n/2-1)*math.Exp(1/tau)+n/2*math.Exp(-1/tau))
	loss, _, terms, err := run(contrast.SupCon{Temperature: tau}, x, index, labels)
	if err != nil || math.Abs(loss-want) > 1e-6 || terms["skipped"] != 0 {
		t.Errorf("loss %v, want %v; %v skipped; %v", loss, want, terms["skipped"], err)
	}
}

func batch(n, width int) (x []float32, index []int, labels []int32) {
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range n {
		index, labels = append(index, i/2), append(labels, int32(rng.IntN(3)))
		for range width {
			x = append(x, float32(rng.NormFloat64()))
		}
	}
	return x, index, labels
}

// A batch in another order has the same loss, and its gradient is in that order too.
func TestOrderOfBatch(t *testing.T) {
	const n, width = 12, 6
	x, index, labels := batch(n, width)
	order := rand.New(rand.NewPCG(6, 6)).Perm(n)
	var px []float32
	var pi []int
	var pl []int32
	for _, i := range order {
		px, pi, pl = append(px, x[i*width:(i+1)*width]...), append(pi, index[i]), append(pl, labels[i])
	}
	for _, k := range []train.Criterion{contrast.SupCon{Temperature: 0.5}, contrast.NTXent{Temperature: 0.2}, contrast.Spectral{}} {
		a, da, _, err := run(k, x, index, labels)
		if err != nil {
			t.Fatal(err)
		}
		b, db, _, err := run(k, px, pi, pl)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(a-b) > 1e-5*max(1, math.Abs(a)) {
			t.Errorf("%T: loss %v, and %v in another order", k, a, b)
		}
		for row, i := range order {
			for j := range width {
				if p, q := da[i*width+j], db[row*width+j]; math.Abs(float64(p-q)) > 1e-5 {
					t.Fatalf("%T: gradient of example %d is %v and %v", k, i, p, q)
				}
			}
		}
	}
}

// A row without another of its label changes nothing but the sums of the others; one
// of no label neither.
func TestSupConSkips(t *testing.T) {
	x, index, _ := batch(6, 4)
	labels := []int32{0, 0, 1, 1, 2, op.Ignore}
	loss, _, terms, err := run(contrast.SupCon{Temperature: 0.5}, x, index, labels)
	if err != nil || terms["skipped"] != 2 {
		t.Fatalf("%v skipped, want 2; %v", terms["skipped"], err)
	}
	cosine := func(i, j int) float64 {
		dot, a, b := 0.0, 0.0, 0.0
		for k := range 4 {
			p, q := float64(x[4*i+k]), float64(x[4*j+k])
			dot, a, b = dot+p*q, a+p*p, b+q*q
		}
		return dot / math.Sqrt(a*b)
	}
	want := 0.0
	for i := range 4 {
		sum := 0.0
		for j := range 6 {
			if j != i {
				sum += math.Exp(2 * cosine(i, j))
			}
		}
		want += (math.Log(sum) - 2*cosine(i, i^1)) / 4
	}
	if math.Abs(loss-want) > 1e-5 {
		t.Errorf("loss %v, want %v", loss, want)
	}
	if _, _, _, err := run(contrast.SupCon{Temperature: 0.5}, x, index, []int32{0, 1, 2, 3, 4, 5}); err == nil ||
		err.Error() != "contrast: no two of 6 rows belong together: make batches larger" {
		t.Error(err)
	}
}

// Losses by cosine don't feel the scale of z, but they feel kappa; kappa 1 is no head.
func TestHeadsUnderTheLoss(t *testing.T) {
	const width = 6
	x, index, labels := batch(12, width)
	larger := slices.Clone(x)
	for i := range larger {
		larger[i] *= 8
	}
	with := func(s head.Settings, z []float32) (float64, []float32) {
		s.In = width
		h, err := head.New(rand.New(rand.NewPCG(1, 1)), "head", s)
		if err != nil {
			t.Fatal(err)
		}
		loss, dx, _, err := run(head.Projected{Head: h, Loss: contrast.NTXent{Temperature: 0.5}}, z, index, labels)
		if err != nil {
			t.Fatal(err)
		}
		return loss, dx
	}
	plain, gradient := with(head.Settings{Kind: head.None}, x)
	if scaled, _ := with(head.Settings{Kind: head.None}, larger); math.Abs(scaled-plain) > 1e-6 {
		t.Errorf("loss %v, and %v of 8 times z", plain, scaled)
	}
	if other, _ := with(head.Settings{Kind: head.Fixed, Kappa: 1.5}, x); math.Abs(other-plain) < 1e-3 {
		t.Errorf("kappa 1.5 leaves the loss at %v", other)
	}
	if same, dx := with(head.Settings{Kind: head.Fixed, Kappa: 1}, x); same != plain || !slices.Equal(dx, gradient) {
		t.Errorf("kappa 1: loss %v, without a head %v, or other gradients", same, plain)
	}
	if same, _ := with(head.Settings{Kind: head.Identity}, x); same != plain {
		t.Errorf("identity head: loss %v, without a head %v", same, plain)
	}
}

// Of normal features with independent views the estimate's mean is the population's
// value, -2 Tr(F S+ Fᵀ) + Tr((F S Fᵀ)²), for any number of rows.
func TestSpectralIsUnbiased(t *testing.T) {
	phi, sigma, f := []float64{1, 0.6, 0.3}, []float64{0.5, 0.5, 1}, []float64{0.9, 1.2, 0.4}
	want := 0.0
	for j, p := range phi {
		a, s := f[j]*f[j]*p*p, f[j]*f[j]*(p*p+sigma[j]*sigma[j])
		want += -2*a + s*s
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for _, pairs := range []int{2, 5} {
		const batches = 1000
		sum, squares := 0.0, 0.0
		for range batches {
			var x []float32
			var index []int
			for i := range pairs {
				clean := []float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}
				for range 2 {
					index = append(index, i)
					for j := range phi {
						x = append(x, float32(f[j]*(phi[j]*clean[j]+sigma[j]*rng.NormFloat64())))
					}
				}
			}
			loss, _, _, err := run(contrast.Spectral{}, x, index, nil)
			if err != nil {
				t.Fatal(err)
			}
			sum, squares = sum+loss, squares+loss*loss
		}
		mean := sum / batches
		if e := math.Sqrt((squares/batches - mean*mean) / batches); math.Abs(mean-want) > 4*e || e > 0.2 {
			t.Errorf("%d pairs: mean %v, want %v within 4 times %v", pairs, mean, want, e)
		}
	}
}

func TestRefuses(t *testing.T) {
	x, _, _ := batch(4, 2)
	nt := contrast.NTXent{Temperature: 0.5}
	for _, r := range []struct {
		k      train.Criterion
		index  []int
		labels []int32
		want   string
	}{
		{nt, []int{0, 0, 1, 2}, nil, "contrast: example 1 is in the batch once: two views of each are compared; see Views"},
		{contrast.Spectral{}, []int{0, 0, 0, 2}, nil, "contrast: example 0 is in the batch more than twice: two views of each are compared"},
		{contrast.Spectral{}, []int{0, 0}, nil, "contrast: a batch of one example has nothing to compare it with"},
		{contrast.NTXent{}, []int{0, 0, 1, 1}, nil, "contrast: a temperature of 0"},
		{contrast.SupCon{Temperature: float32(math.NaN())}, []int{0, 0, 1, 1}, []int32{1, 1, 1, 1}, "contrast: a temperature of NaN"},
		{contrast.SupCon{Temperature: 1}, []int{0, 0, 1, 1}, []int32{1}, "contrast: 1 labels for 4 rows"},
	} {
		if _, _, _, err := run(r.k, x, r.index, r.labels); err == nil || err.Error() != r.want {
			t.Errorf("%T %v: %v, want %s", r.k, r.index, err, r.want)
		}
	}
	c := op.NewCtx(op.Exact, nil)
	_, err := nt.Terms(c, c.From(x, 2, 4), &dataset.Batch{Index: []int{0, 0, 1, 1}}, train.Step{})
	if err == nil || !strings.Contains(err.Error(), "of 4 examples: at least two rows are compared") {
		t.Error(err)
	}
}

func TestViews(t *testing.T) {
	two := contrast.Views(2, func(dst, x []float32, rng *rand.Rand) []float32 {
		return append(dst, x[0]+float32(rng.NormFloat64()), x[1], 0)
	})
	b := &dataset.Batch{Index: []int{5, 8}, X: []float32{1, 2, 3, 4}, Labels: []int32{1, 0}}
	if err := two(b, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Index, []int{5, 5, 8, 8}) || !slices.Equal(b.Labels, []int32{1, 1, 0, 0}) || len(b.X) != 12 ||
		b.X[1] != 2 || b.X[10] != 4 || b.X[0] == b.X[3] {
		t.Errorf("%+v", b)
	}
	if err := two(&dataset.Batch{Index: []int{1, 2}, X: []float32{1, 2, 3}}, nil); err == nil || err.Error() != "contrast: 2 views of 2 examples with 3 numbers" {
		t.Error(err)
	}
	n := 0
	uneven := contrast.Views(2, func(dst, x []float32, _ *rand.Rand) []float32 {
		n++
		return append(dst, make([]float32, n)...)
	})
	if err := uneven(&dataset.Batch{Index: []int{1}, X: []float32{1}}, nil); err == nil || err.Error() != "contrast: 2 views have 3 numbers: they differ in size" {
		t.Error(err)
	}
}
