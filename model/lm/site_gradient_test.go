package lm

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// siteGradients is a file of tools/oracle/site_gradients.py: what hooks of
// PyTorch see.
type siteGradients struct {
	Tokens, Targets []int32
	Rows            []int
	Models          []struct {
		Name  string
		Sites []struct {
			Layer    int
			Site     string
			Gradient struct {
				Shape []int
				F32   string
			}
			Yardstick float64 `json:"torch_f32_max_error"`
		}
	}
}

// The gradient at every site is PyTorch's, on a frozen network, for a sequence
// alone and beside another, and with layers that run again.
func TestSiteGradients(t *testing.T) {
	b, err := os.ReadFile("testdata/families/site_gradients.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref siteGradients
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	for _, m := range ref.Models {
		n, _ := checkpoint(t, m.Name)
		var first map[string][]float32
		for _, how := range []string{"alone", "beside another", "checkpointed"} {
			seq := pass.NewSeq(ref.Tokens...)
			got := map[string][]float32{}
			for _, s := range m.Sites {
				name := fmt.Sprintf("%d.%s", s.Layer, s.Site)
				if err := seq.WatchGradient(name, func(at pass.At, d []float32) {
					if _, twice := got[name]; twice || at.Layer != s.Layer || at.Width != s.Gradient.Shape[1] || len(at.Rows) != len(ref.Tokens) {
						t.Errorf("%s: called with %+v, twice: %v", name, at, twice)
					}
					got[name] = append([]float32(nil), d...)
				}); err != nil {
					t.Fatal(err)
				}
			}
			trainOn(t, n, how, ref, seq)
			worst := 0.0
			for _, s := range m.Sites {
				name := fmt.Sprintf("%d.%s", s.Layer, s.Site)
				raw, err := base64.StdEncoding.DecodeString(s.Gradient.F32)
				if err != nil {
					t.Fatal(err)
				}
				want := make([]float32, len(raw)/4)
				if _, err := binary.Decode(raw, binary.LittleEndian, want); err != nil {
					t.Fatal(err)
				}
				scale, off, w := 0.0, 0.0, s.Gradient.Shape[1]
				if len(got[name]) != len(ref.Tokens)*w {
					t.Fatalf("%s: %d numbers", name, len(got[name]))
				}
				for i, r := range ref.Rows {
					for j := range w {
						x := float64(want[i*w+j])
						scale, off = max(scale, math.Abs(x)), max(off, math.Abs(float64(got[name][r*w+j])-x))
					}
				}
				if limit := 2*s.Yardstick + 1e-6*scale; off > limit || scale == 0 {
					t.Errorf("%s %s: the gradient at %s is off by %.3g of %.3g; PyTorch's float32 by %.3g", m.Name, how, name, off, scale, s.Yardstick)
				}
				worst = max(worst, off/scale)
			}
			t.Logf("%s %s: %d sites, worst relative error %.2g", m.Name, how, len(m.Sites), worst)
			if first == nil {
				first = got
			}
			for name, g := range got {
				for i := range g {
					if math.Float32bits(g[i]) != math.Float32bits(first[name][i]) {
						t.Fatalf("%s: the gradient at %s has other bits %s", m.Name, name, how)
					}
				}
			}
		}
	}
}

// trainOn runs the sequence and its loss backwards.
func trainOn(t *testing.T, n *Decoder, how string, ref siteGradients, seq *pass.Seq) {
	t.Helper()
	eng := pass.NewEngine(n, pass.Options{Mode: op.Exact})
	defer eng.Close()
	c := eng.NewCtx()
	tape := grad.Start(c)
	defer tape.End()
	seqs, rows := []*pass.Seq{seq}, make([]int, len(ref.Tokens))
	if how == "beside another" {
		seqs = []*pass.Seq{pass.NewSeq(7, 8, 9), seq}
	}
	p, err := eng.BeginTaped(c, seqs...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	run := p.Run
	if how == "checkpointed" {
		run = p.RunCheckpointed
	}
	for i := range eng.Depth() {
		if err := run(context.Background(), i, i+1); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rows {
		rows[i] = i - len(rows)
	}
	logits, err := p.HeadVal("logits", rows...)
	if err != nil {
		t.Fatal(err)
	}
	if err := tape.Backward(op.CrossEntropy(c, logits, ref.Targets)); err != nil {
		t.Fatal(err)
	}
}
