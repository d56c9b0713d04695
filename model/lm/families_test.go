package lm

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

func unzip(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	b, err = io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkpoint is a family's small random model and its reference.
func checkpoint(t testing.TB, name string) (*Decoder, *Reference) {
	t.Helper()
	b := unzip(t, "testdata/families/"+name+".gguf.gz")
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	n, err := loadGGUF(c, f, b)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := ReadReference(bytes.NewReader(unzip(t, "testdata/families/"+name+".json.gz")))
	if err != nil {
		t.Fatal(err)
	}
	return n, ref
}

// saved unpacks a checkpoint as transformers saves it.
func saved(t testing.TB, name string) string {
	t.Helper()
	z, err := zip.OpenReader("testdata/families/" + name + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openSaved opens the network of a folder, which needs no tokenizer for it.
func openSaved(t testing.TB, dir string) (*Decoder, error) {
	t.Helper()
	m := &Model{Types: map[string]int{}}
	t.Cleanup(func() { m.Close() })
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, tied, err := readHFConfig(b)
	if err != nil {
		return nil, err
	}
	s, err := m.openShards(dir)
	if err != nil {
		return nil, err
	}
	return loadHF(c, tied, s)
}

func verify(t testing.TB, n *Decoder, ref *Reference) Report {
	t.Helper()
	eng := pass.NewEngine(n, pass.Options{Mode: op.Exact})
	defer eng.Close()
	r, err := Verify(context.Background(), eng, ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every family agrees with transformers at every site, from a GGUF file and from
// a folder as transformers saves it.
func TestFamilies(t *testing.T) {
	for _, f := range families {
		t.Run(f.name+".gguf", func(t *testing.T) {
			n, ref := checkpoint(t, f.name)
			report := verify(t, n, ref)
			want := 1 // the logits
			for _, l := range n.Layers() {
				want += len(l.Sites)
			}
			if len(report) != want {
				t.Errorf("%d sites in the reference, and the network has %d", len(report), want)
			}
			if s, ok := report.First(); ok {
				t.Errorf("%s is the first site that differs: off by %.3g, limit %.3g", s.Name(), s.Error, s.Limit)
			}
			worst, at := 0.0, ""
			for _, s := range report {
				if r := s.Error / s.Limit; r > worst {
					worst, at = r, s.Name()
				}
			}
			t.Logf("%d sites; the worst, %s, at %.2f of its limit", len(report), at, worst)
		})
		t.Run(f.name+".safetensors", func(t *testing.T) {
			gguf, ref := checkpoint(t, f.name)
			n, err := openSaved(t, saved(t, f.name))
			if err != nil {
				t.Fatal(err)
			}
			if f.pairs { // queries and keys of a head lie in another order
				ref.Sites = slices.DeleteFunc(ref.Sites, func(s ReferenceSite) bool {
					return slices.Contains([]string{"attn.q", "attn.k", "attn.rot_q", "attn.rot_k"}, s.Site)
				})
			}
			if s, ok := verify(t, n, ref).First(); ok {
				t.Errorf("%s is the first site that differs: off by %.3g, limit %.3g", s.Name(), s.Error, s.Limit)
			}
			got, want := n.Config, gguf.Config
			got.Name, want.Name = "", ""
			if got != want {
				t.Errorf("config.json says %+v, the GGUF file %+v", got, want)
			}
		})
	}
}

// What a family does otherwise than Llama is needed: without it, a site
// differs, and the report names it.
func TestVerifyNamesTheFirstSite(t *testing.T) {
	without := func(change func(f *family)) func(n *Decoder) {
		return func(n *Decoder) {
			f := *n.family
			change(&f)
			n.family = &f
		}
	}
	for _, c := range []struct {
		name, family string
		spoil        func(n *Decoder)
		want         string
	}{
		{"halves turned as neighbours", "qwen2", func(n *Decoder) {
			n.global.rotary = op.NewRotary(op.Interleaved, n.Config.HeadDim, n.Config.RopeDim, n.Config.RopeBase)
		}, "0.attn.rot_q"},
		{"neighbours turned as halves", "llama", func(n *Decoder) {
			n.global.rotary = op.NewRotary(op.Halves, n.Config.HeadDim, n.Config.RopeDim, n.Config.RopeBase)
		}, "0.attn.rot_q"},
		{"all of a head turns", "gptneox", func(n *Decoder) {
			n.global.rotary = op.NewRotary(op.Halves, n.Config.HeadDim, n.Config.HeadDim, n.Config.RopeBase)
		}, "0.attn.rot_q"},
		{"another base", "qwen3", func(n *Decoder) {
			n.global.rotary = op.NewRotary(op.Halves, n.Config.HeadDim, n.Config.RopeDim, 10000)
		}, "0.attn.rot_q"},
		{"the global base for the window", "gemma3", func(n *Decoder) { n.local.rotary = n.global.rotary }, "0.attn.rot_q"},
		{"the window's base for all", "gemma3", func(n *Decoder) { n.global.rotary = n.local.rotary }, "1.attn.rot_q"},
		{"no head norm", "qwen3", without(func(f *family) { f.headNorm = false }), "0.attn.rot_q"},
		{"no post norm", "gemma3", without(func(f *family) { f.postNorm = false }), "0.attn_out"},
		{"no scale", "gemma3", without(func(f *family) { f.scaleEmbedding = false }), "0.resid_pre"},
		{"no window", "gemma3", func(n *Decoder) { n.local.heads.Window = 100 }, "0.attn.pattern_last"},
		{"a window one too wide", "gemma3", func(n *Decoder) { n.local.heads.Window++ }, "0.attn.pattern_last"},
		{"a window one too narrow", "gemma3", func(n *Decoder) { n.local.heads.Window-- }, "0.attn.pattern_last"},
		{"the other layers", "gemma3", func(n *Decoder) { n.Config.Pattern = 3 }, "1.attn.rot_q"},
		{"another scale of queries", "gemma3", func(n *Decoder) { n.Config.QueryDim = 9 }, "0.attn.rot_q"},
		{"SiLU gate", "gemma3", without(func(f *family) { f.hidden = op.SwiGLU }), "0.mlp.post"},
		{"exact GELU", "gpt2", without(func(f *family) { f.plain = op.GELU }), "0.mlp.post"},
		{"tanh GELU", "gptneox", without(func(f *family) { f.plain = op.GELUTanh }), "0.mlp.post"},
		{"one after the other", "gptneox", func(n *Decoder) { n.Config.Parallel = false }, "0.mlp_in"},
		{"no positions", "gpt2", func(n *Decoder) { n.positions = nil }, "0.resid_pre"},
		{"no bias", "qwen2", func(n *Decoder) { clear(biasOf(n, "blk.1.attn_k.bias")) }, "1.attn.k"},
		{"no bias of a norm", "gpt2", func(n *Decoder) { clear(biasOf(n, "output_norm.bias")) }, "logits"},
	} {
		t.Run(c.family+", "+c.name, func(t *testing.T) {
			n, ref := checkpoint(t, c.family)
			c.spoil(n)
			s, ok := verify(t, n, ref).First()
			if !ok || s.Name() != c.want {
				t.Errorf("the first site that differs is %q, want %s", s.Name(), c.want)
			}
		})
	}
}

func biasOf(n *Decoder, name string) []float32 {
	for _, w := range n.weights {
		if w.Name == name {
			x, _ := w.F32()
			return x
		}
	}
	return nil
}

func TestReferenceRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                             "reference: unexpected end",
		`{"tokens":[1],"rows":[1]}`:     "reference: row 1 of 1 tokens",
		`{"tokens":[1],"rows":[-1]}`:    "reference: row -1 of 1 tokens",
		`{"sites":[{"values":"AA="}]}`:  "base64",
		`{"sites":[{"values":"AAA="}]}`: "reference: 2 bytes are no float32 numbers",
	} {
		if _, err := ReadReference(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v doesn't say %q", text, err, want)
		}
	}
	n, _ := checkpoint(t, "qwen2")
	eng := pass.NewEngine(n, pass.Options{})
	defer eng.Close()
	for _, c := range []struct {
		site ReferenceSite
		want string
	}{
		{ReferenceSite{Layer: 2, Site: "attn.q"}, "reference: layer 2 of 2"},
		{ReferenceSite{Layer: -1, Site: "attn.q"}, "reference: layer -1 of 2"},
		{ReferenceSite{Site: "attn.nose"}, `reference: site "0.attn.nose": no such site`},
		{ReferenceSite{Site: "attn.q"}, "reference: 0.attn.q: holds no numbers"},
		{ReferenceSite{Site: "attn.q", Values: make(Numbers, 5)}, "reference: 0.attn.q: 5 numbers, and the network has 32"},
		{ReferenceSite{Layer: 2, Site: "logits", Values: make(Numbers, 5)}, "reference: logits: 5 numbers, and the network has 96"},
	} {
		ref := &Reference{Tokens: []int32{1}, Rows: []int{0}, Sites: []ReferenceSite{c.site}}
		if _, err := Verify(context.Background(), eng, ref); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v doesn't say %q", c.site, err, c.want)
		}
	}
	none := &Reference{Tokens: []int32{1}, Rows: []int{}, Sites: []ReferenceSite{{Site: "attn.q"}}}
	if _, err := Verify(context.Background(), eng, none); err == nil || !strings.Contains(err.Error(), "holds no numbers") {
		t.Errorf("a reference of no rows: error %v", err)
	}
	fast := pass.NewEngine(n, pass.Options{Mode: op.Fast})
	defer fast.Close()
	if _, err := Verify(context.Background(), fast, &Reference{}); err == nil || !strings.Contains(err.Error(), "in fast mode") {
		t.Errorf("fast: %v", err)
	}
}
