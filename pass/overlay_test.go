package pass_test

import (
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// scaled is a linear map times a number.
type scaled struct {
	nn.Layer
	by float32
}

func (l scaled) Apply(c *op.Ctx, x op.Val) op.Val { return op.Scale(c, l.Layer.Apply(c, x), l.by) }

// only wraps one map of one layer.
func only(layer int, role pass.Role, by float32) func(int, pass.Role, nn.Layer) nn.Layer {
	return func(i int, r pass.Role, l nn.Layer) nn.Layer {
		if i == layer && r == role {
			return scaled{l, by}
		}
		return l
	}
}

// Scaling a map in an overlay is the same as scaling what a site sees of it.
func TestOverlayUsesTheWrappedMaps(t *testing.T) {
	base := decoder(t, tensor.F32)
	plain := engine(t, base, pass.Options{})
	prompt := tokens(1, 12, 50)
	before := through(t, plain, pass.NewSeq(prompt...))
	for role, site := range map[pass.Role]string{pass.QueryProj: "1.attn.q", pass.KeyProj: "1.attn.k", pass.ValueProj: "1.attn.v",
		pass.OutputProj: "1.attn_out", pass.GateProj: "1.mlp.pre", pass.UpProj: "1.mlp.pre_linear", pass.DownProj: "1.mlp_out"} {
		s := pass.NewSeq(prompt...)
		must(t, s.Edit(site, func(c *op.Ctx, _ pass.At, x op.Val) op.Val { return op.Scale(c, x, 0.25) }))
		want := through(t, plain, s)
		over := engine(t, pass.Overlay(base, only(1, role, 0.25)), pass.Options{})
		got := through(t, over, pass.NewSeq(prompt...))
		passtest.Same(t, "overlay of "+role.String(), got, want)
		if slices.Equal(got, before) {
			t.Errorf("the overlay of %v changes nothing", role)
		}
	}
	over := engine(t, pass.Overlay(base, only(3, pass.Unembed, -1)), pass.Options{})
	for i, x := range through(t, over, pass.NewSeq(prompt...)) {
		if math.Float32bits(x) != math.Float32bits(-before[i]) {
			t.Fatalf("overlay of the head: logit %d is %v, want %v", i, x, -before[i])
		}
	}
	passtest.Same(t, "the base afterwards", through(t, plain, pass.NewSeq(prompt...)), before)
	if _, ok := base.Weight(1, pass.QueryProj).(scaled); ok {
		t.Error("the base carries the wrapper")
	}
}

func TestTwoOverlaysOnOneBaseAtOnce(t *testing.T) {
	base := decoder(t, tensor.Q8_0)
	nets := []pass.Net{base, pass.Overlay(base, only(0, pass.ValueProj, 3)), pass.Overlay(base, only(2, pass.DownProj, -1))}
	nets = append(nets, pass.Overlay(nets[1], only(2, pass.DownProj, -1))) // on top of the other
	prompt := tokens(1, 12, 50)
	var want [][]float32
	var engines []*pass.Engine
	for _, n := range nets {
		engines = append(engines, engine(t, n, pass.Options{}))
		want = append(want, through(t, engines[len(engines)-1], pass.NewSeq(prompt...)))
	}
	for i := range want {
		for j := range i {
			if want[i][11*50] == want[j][11*50] {
				t.Errorf("networks %d and %d agree", i, j)
			}
		}
	}
	got := make([][]float32, len(nets))
	var wg sync.WaitGroup
	for i, e := range engines {
		wg.Go(func() {
			p, err := e.Begin(pass.NewSeq(prompt...))
			if err != nil {
				return
			}
			defer p.End()
			for l := range 3 {
				if p.Run(bg, l, l+1) != nil {
					return
				}
			}
			x, _ := p.Logits(0, 11)
			got[i] = append(x[:50:50], x[50:]...)
		})
	}
	wg.Wait()
	for i := range nets {
		passtest.Same(t, "beside the others", got[i], append(want[i][:50:50], want[i][11*50:]...))
	}
}
