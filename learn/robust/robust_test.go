package robust_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/robust"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/train"
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

// run returns a criterion's loss and its gradient with respect to the logits.
func run(k train.Criterion, x []float32, rows int, labels []int32) (loss float64, dx []float32, err error) {
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	logits := c.From(x, rows, len(x)/rows)
	c.Want(logits)
	b := &dataset.Batch{Labels: labels}
	for i := range rows {
		b.Index = append(b.Index, i)
	}
	terms, err := k.Terms(c, logits, b, train.Step{})
	if err != nil {
		return 0, nil, err
	}
	var seeds []grad.Seed
	for _, t := range terms {
		loss += float64(t.Weight) * float64(c.Data(t.Val)[0])
		seeds = append(seeds, grad.Seed{Val: t.Val, Grad: []float32{t.Weight}})
	}
	if err := tape.BackwardFrom(seeds...); err != nil {
		return 0, nil, err
	}
	return loss, append(dx, tape.Of(logits)...), nil
}

func TestPyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/losses.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		X, Labels, Noise array
		Losses           map[string]struct {
			Loss     float64
			Gradient array
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	rows, classes := f.X.Shape[0], f.X.Shape[1]
	x, labels := decode[float32](t, f.X.F32, rows*classes), decode[int32](t, f.Labels.I32, rows)
	noise := make([][]float32, classes)
	for i, all := 0, decode[float32](t, f.Noise.F32, classes*classes); i < classes; i++ {
		noise[i] = all[i*classes : (i+1)*classes]
	}
	for name, k := range map[string]train.Criterion{
		"soft": robust.Bootstrap{Weight: 0.95}, "hard": robust.Bootstrap{Weight: 0.8, Hard: true},
		"generalized": robust.Generalized{Q: 0.7}, "symmetric": robust.Symmetric{A: 0.1, B: 1}, "forward": robust.Forward{Noise: noise},
	} {
		loss, dx, err := run(k, x, rows, labels)
		if err != nil {
			t.Fatal(err)
		}
		want := f.Losses[name]
		if !(math.Abs(loss-want.Loss) < 2e-6) {
			t.Errorf("%s: loss %v, want %v", name, loss, want.Loss)
		}
		for i, g := range decode[float64](t, want.Gradient.F64, rows*classes) {
			if !(math.Abs(float64(dx[i])-g) < 1e-6) {
				t.Errorf("%s: gradient %d is %v, want %v", name, i, dx[i], g)
			}
		}
	}
}

// Without noise forward correction is cross-entropy.
func TestForwardOfNoNoise(t *testing.T) {
	m, err := robust.SymmetricNoise(3, 0)
	if err != nil {
		t.Fatal(err)
	}
	x, labels := []float32{1, 2, 3, 0, -1, 2}, []int32{0, 2}
	a, _, err := run(robust.Forward{Noise: m}, x, 2, labels)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := run(train.CrossEntropy{}, x, 2, labels)
	if err != nil || math.Abs(a-b) > 1e-6 {
		t.Errorf("%v, and cross-entropy %v: %v", a, b, err)
	}
	half, err := robust.SymmetricNoise(4, 0.5)
	if err != nil || half[1][1] != 0.625 || half[1][3] != 0.125 {
		t.Errorf("%v %v", half, err)
	}
}

func TestRefused(t *testing.T) {
	x := []float32{1, 2, 3, 4}
	for _, c := range []struct {
		k      train.Criterion
		labels []int32
		want   string
	}{
		{robust.Bootstrap{Weight: 2}, []int32{0, 1}, "robust: a weight of 2 for the label"},
		{robust.Bootstrap{}, []int32{0}, "robust: 1 labels for 2 rows"},
		{robust.Generalized{}, []int32{0, 1}, "robust: q of 0 is not in (0, 1]"},
		{robust.Generalized{Q: 1}, []int32{0, 2}, "robust: label 2 at row 1 is not in [0, 2)"},
		{robust.Symmetric{}, []int32{-1, 1}, "robust: label -1 at row 0 is not in [0, 2)"},
		{robust.Forward{}, []int32{0, 1}, "robust: a noise matrix of 0 rows for 2 classes"},
		{robust.Forward{Noise: [][]float32{{1, 0}, {1}}}, []int32{0, 1}, "robust: row 1 of the noise matrix has 1 numbers for 2 classes"},
	} {
		if _, _, err := run(c.k, x, 2, c.labels); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if _, err := robust.SymmetricNoise(3, math.NaN()); err == nil {
		t.Error("noise of no rate was accepted")
	}
}

func Example() {
	// A label that the network finds unlikely counts less than in cross-entropy.
	for _, k := range []train.Criterion{train.CrossEntropy{}, robust.Generalized{Q: 0.7}} {
		_, dx, err := run(k, []float32{4, 0}, 1, []int32{1})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.2f\n", dx[1])
	}
	// Output:
	// -0.98
	// -0.06
}
