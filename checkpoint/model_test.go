package checkpoint_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// tuned is a language model of which the last layer and the gains are trained.
func tuned(t *testing.T, c lm.Config) (weights []*op.Weight, s checkpoint.State, g *optim.Groups) {
	t.Helper()
	net, err := lm.NewRandom(c, tensor.F32, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := optim.Arrange(net.Weights(),
		optim.Group{Name: "gains", Match: []string{"*norm*"}, Rule: optim.SGD{Momentum: 0.9}, Rate: 2},
		optim.Group{Name: "last", Layers: "-1", Rule: optim.AdamW{Decay: 0.1, Bytes: true}})
	if err != nil {
		t.Fatal(err)
	}
	if g, err = p.New(nil); err != nil {
		t.Fatal(err)
	}
	for _, w := range net.Weights() {
		if w.Grad != nil {
			weights = append(weights, w)
		}
	}
	average, err := optim.NewAverage(nil, optim.Constant(0.9), weights)
	if err != nil {
		t.Fatal(err)
	}
	return weights, checkpoint.State{Weights: weights, Parts: map[string]checkpoint.Part{"groups": g, "average": average}}, g
}

// The weights of a language model that are trained come back with all that trains
// them, and a model of another shape refuses them.
func TestLanguageModel(t *testing.T) {
	dir, err := checkpoint.Open(t.TempDir(), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	step := func(n uint64, weights []*op.Weight, s checkpoint.State, g *optim.Groups) {
		r := rand.New(rand.NewPCG(n, 1))
		for _, w := range weights {
			for i := range w.Grad {
				w.Grad[i] = float32(r.NormFloat64())
			}
		}
		g.Clip(1)
		g.Step(0.01)
		s.Parts["average"].(*optim.Average).Update()
	}
	v, a, ga := tuned(t, tinymodel.Config)
	w, b, gb := tuned(t, tinymodel.Config)
	step(1, v, a, ga)
	if err := dir.Save(1, a); err != nil {
		t.Fatal(err)
	}
	at, err := dir.Latest()
	if err != nil {
		t.Fatal(err)
	}
	if err := at.Load(b); err != nil {
		t.Fatal(err)
	}
	step(2, v, a, ga)
	step(2, w, b, gb)
	for i := range v {
		if !bytes.Equal(v[i].Bytes(), w[i].Bytes()) {
			t.Errorf("%s has other bits", v[i].Name)
		}
	}

	wide := tinymodel.Config
	wide.MLP *= 2
	_, other, _ := tuned(t, wide)
	err = at.Load(other)
	want := `weights.safetensors: weight "blk.1.ffn_gate.weight" is F32 [256, 64] here and F32 [128, 64] in it`
	if !errors.Is(err, checkpoint.ErrOther) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
