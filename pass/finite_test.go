package pass_test

import (
	"errors"
	"math"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The first number that isn't finite is an error that names op, weight, layer and
// site, in a pass that serves and in one that learns, whole or in spans.
func TestFinite(t *testing.T) {
	n := decoder(t, tensor.F32)
	for _, w := range n.Weights() {
		w.Train()
	}
	bad, ok := n.Weight(1, pass.UpProj).(interface{ Out() int })
	if !ok || bad.Out() != 96 {
		t.Fatal("no up projection")
	}
	var name string
	for _, w := range n.Weights() {
		if w.Rows == 96 && w.Cols == 64 && w.Name != "" && containsAll(w.Name, "1", "up") {
			x, _ := w.F32()
			x[5*64+3] = float32(math.Inf(1))
			name = w.Name
		}
	}
	if name == "" {
		t.Fatal("no weight of the up projection")
	}
	check := func(what string, err error) {
		t.Helper()
		wantError(t, err, "pass: layer 1", "op: linear by "+name+": output [3, 96] holds", "at row 0, column 5, on the way to site mlp.pre_linear")
		var f *op.NotFiniteError
		if !errors.As(err, &f) || f.Op != "linear" || f.Index != 5 || f.Site != "mlp.pre_linear" {
			t.Errorf("%s: %+v", what, f)
		}
	}
	e := engine(t, n, pass.Options{Trace: op.Finite{}})
	p := begin(t, e, pass.NewSeq(1, 2, 3))
	check("serving", p.Run(bg, 0, 3))
	for _, how := range []string{"whole", "in spans"} {
		c := e.NewCtx()
		c.Trace(op.Finite{})
		tape := grad.Start(c)
		p, err := e.BeginTaped(c, pass.NewSeq(1, 2, 3))
		must(t, err)
		run := p.Run
		if how == "in spans" {
			run = p.RunCheckpointed
		}
		must(t, run(bg, 0, 1))
		check(how, run(bg, 1, 3))
		tape.End()
	}
	// Without it nobody looks.
	p = begin(t, engine(t, n, pass.Options{}), pass.NewSeq(1, 2, 3))
	must(t, p.Run(bg, 0, 3))
	p.End()
}
