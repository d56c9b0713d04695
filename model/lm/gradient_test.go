package lm

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// The gradient of every weight of every family is PyTorch's, by its norm and by
// a weighted sum.
func TestGradientsOfFamilies(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			n, _ := checkpoint(t, f.name)
			var ref struct {
				Tokens, Targets []int32
				Gradients       []struct {
					Weight    string
					Norm, Sum float64
				}
			}
			if err := json.NewDecoder(bytes.NewReader(unzip(t, "testdata/families/"+f.name+".json.gz"))).Decode(&ref); err != nil {
				t.Fatal(err)
			}
			weights := map[string]*op.Weight{}
			for _, w := range n.Weights() {
				w.Train()
				weights[w.Name] = w
			}
			eng := pass.NewEngine(n, pass.Options{Mode: op.Exact})
			defer eng.Close()
			c := eng.NewCtx()
			tape := grad.Start(c)
			defer tape.End()
			p, err := eng.BeginTaped(c, pass.NewSeq(ref.Tokens...))
			if err != nil {
				t.Fatal(err)
			}
			defer p.End()
			if err := p.Run(context.Background(), 0, eng.Depth()); err != nil {
				t.Fatal(err)
			}
			rows := make([]int, len(ref.Tokens))
			for i := range rows {
				rows[i] = i
			}
			logits, err := p.HeadVal("logits", rows...)
			if err != nil {
				t.Fatal(err)
			}
			if err := tape.Backward(op.CrossEntropy(c, logits, ref.Targets)); err != nil {
				t.Fatal(err)
			}
			if len(ref.Gradients) != len(weights) {
				t.Errorf("%d gradients for %d weights", len(ref.Gradients), len(weights))
			}
			worst := 0.0
			for _, want := range ref.Gradients {
				w := weights[want.Weight]
				if w == nil {
					t.Errorf("no weight %s", want.Weight)
					continue
				}
				squares, sum := 0.0, 0.0
				for i, g := range w.Grad {
					squares += float64(g) * float64(g)
					sum += float64(g) * math.Cos(float64(i))
				}
				off := max(math.Abs(math.Sqrt(squares)-want.Norm), math.Abs(sum-want.Sum)) / want.Norm
				// A bias of keys that don't rotate adds the same to all scores of a
				// row, which softmax doesn't see: the gradient is rounding alone.
				if want.Norm < 1e-9 {
					off = math.Sqrt(squares)
				}
				if worst = max(worst, off); !(off < 2e-5) {
					t.Errorf("%s: norm %v, sum %v, want %v, %v", want.Weight, math.Sqrt(squares), sum, want.Norm, want.Sum)
				}
			}
			t.Logf("%d gradients, off by at most %.2g of their norms", len(ref.Gradients), worst)
		})
	}
}
