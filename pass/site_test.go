package pass_test

import (
	"fmt"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

func TestParseSite(t *testing.T) {
	for _, c := range []struct {
		address string
		layer   int
		site    pass.Site
	}{
		{"resid_pre", -1, pass.ResidPre},
		{"5.resid_pre", 5, pass.ResidPre},
		{"blocks.5.hook_resid_pre", 5, pass.ResidPre},
		{"5.hook_resid_mid", 5, pass.ResidMid},
		{"blocks.0.resid_post", 0, pass.ResidPost},
		{"attn.q", -1, pass.Q},
		{"11.attn.q", 11, pass.Q},
		{"blocks.11.attn.hook_q", 11, pass.Q},
		{"attn.hook_k", -1, pass.K},
		{"blocks.2.attn.hook_rot_q", 2, pass.RotQ},
		{"2.attn.rot_k", 2, pass.RotK},
		{"2.attn.hook_z", 2, pass.Z},
		{"blocks.3.ln1.hook_normalized", 3, pass.AttnIn},
		{"blocks.3.ln2.hook_normalized", 3, pass.MLPIn},
		{"3.mlp.post", 3, pass.MLPMid},
		{"blocks.3.mlp.hook_pre", 3, pass.GateAct},
		{"blocks.3.mlp.hook_pre_linear", 3, pass.UpAct},
		{"blocks.3.hook_mlp_out", 3, pass.MLPOut},
		{"attn_out", -1, pass.AttnOut},
		{"attn.pattern_last", -1, pass.LastRow},
		{"7.attn.pattern_sums", 7, pass.ColumnSums},
	} {
		layer, site, err := pass.ParseSite(c.address)
		if err != nil || layer != c.layer || site != c.site {
			t.Errorf("%q is %d, %v, %v; want %d, %v", c.address, layer, site, err, c.layer, c.site)
		}
	}
}

func TestEverySiteIsKnownByBothNames(t *testing.T) {
	for i, s := range pass.Sites {
		if int(s.Site) != i {
			t.Errorf("row %d of the table is of site %d", i, s.Site)
		}
		for _, address := range []string{s.Name, "4." + s.Name, "blocks.4." + s.Name, s.Hook, "4." + s.Hook, "blocks.4." + s.Hook} {
			if _, site, err := pass.ParseSite(address); err != nil || site != s.Site {
				t.Errorf("%q is %v, %v; want %v", address, site, err, s.Site)
			}
		}
		if s.Shape == "" || s.Doc == "" {
			t.Errorf("%v has no shape or no documentation", s.Site)
		}
	}
}

func TestParseSiteErrors(t *testing.T) {
	for _, address := range []string{"", "5", "5.", ".attn.q", "attn", "attn.", "attn.w", "blocks.", "blocks.5", "blocks.attn.hook_q.x", "5.5.attn.q", "x.attn.q",
		"5.attn.Q", " attn.q", "hook_attn.q", "99999999999999999999.attn.q"} {
		if layer, site, err := pass.ParseSite(address); err == nil {
			t.Errorf("%q is %d, %v", address, layer, site)
		} else {
			wantError(t, err, fmt.Sprintf("%q", address), "resid_pre, ")
		}
	}
	_, _, err := pass.ParseSite("-1.attn.q")
	wantError(t, err, `"-1.attn.q"`, "negative")
}

func TestHooksThatCannotBeServed(t *testing.T) {
	s := pass.NewSeq(1)
	wantError(t, s.Edit("attn.pattern_last", func(_ *op.Ctx, _ pass.At, x op.Val) op.Val { return x }), "attn.pattern_last", "watched")
	wantError(t, s.Watch("nowhere", func(pass.At, []float32) {}), "nowhere")
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	through(t, e, s) // neither left a hook

	must(t, s.Watch("3.attn.q", func(pass.At, []float32) {}))
	s.Append(2)
	_, err := e.Begin(s)
	wantError(t, err, "3.attn.q", "3 layers (0 to 2)")
	s.Unhook()
	through(t, e, s)

	r := engine(t, newRecurrent(), pass.Options{})
	q := pass.NewSeq(1)
	must(t, q.Watch("attn.q", func(pass.At, []float32) {}))
	_, err = r.Begin(q)
	wantError(t, err, "attn.q", "no such site")
}
