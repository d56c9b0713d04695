package cli

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write docs/models.md anew")

// checkpoints is where model/lm has a small random model of each family.
const checkpoints = "../../model/lm/testdata/families"

// layOut unpacks the checkpoints into dir: NAME.gguf, the folder NAME as
// transformers saves it, and the reference NAME.json.gz. They come without a
// tokenizer, all but one; here each gets that one's.
func layOut(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := filepath.Glob(checkpoints + "/*.gguf.gz")
	must(t, err)
	tokenizers := opened(t, checkpoints+"/qwen3.zip")
	for _, path := range found {
		name := strings.TrimSuffix(filepath.Base(path), ".gguf.gz")
		names = append(names, name)
		writeGGUF(t, filepath.Join(dir, name+".gguf"), name, nil)
		ref, err := os.ReadFile(filepath.Join(checkpoints, name+".json.gz"))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name+".json.gz"), ref, 0o644))
		folder := filepath.Join(dir, name)
		must(t, os.CopyFS(folder, opened(t, checkpoints+"/"+name+".zip")))
		for _, file := range []string{"tokenizer.json", "tokenizer_config.json"} {
			b, err := fs.ReadFile(tokenizers, file)
			must(t, err)
			must(t, os.WriteFile(filepath.Join(folder, file), b, 0o644))
		}
	}
	if len(names) < 6 {
		t.Fatalf("%d families", len(names))
	}
	return names
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, path string) *zip.ReadCloser {
	t.Helper()
	z, err := zip.OpenReader(path)
	must(t, err)
	t.Cleanup(func() { z.Close() })
	return z
}

// writeGGUF writes a family's checkpoint with the tokenizer of its folder; spoil
// may change a tensor's bytes.
func writeGGUF(t *testing.T, path, name string, spoil func(tensor string, data []byte)) {
	t.Helper()
	packed, err := os.Open(filepath.Join(checkpoints, name+".gguf.gz"))
	must(t, err)
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	must(t, err)
	b, err := io.ReadAll(z)
	must(t, err)
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	var tokens []string
	for c := '!'; c < '|'; c++ {
		tokens = append(tokens, string(c))
	}
	tokens = append(tokens, "Ġ", "th", "Ġth", "<|im_start|>", "<|im_end|>")
	must(t, f.Meta.Set("tokenizer.ggml.model", "gpt2"))
	must(t, f.Meta.Set("tokenizer.ggml.pre", "gpt-2"))
	must(t, f.Meta.Set("tokenizer.ggml.tokens", tokens))
	must(t, f.Meta.Set("tokenizer.ggml.merges", []string{"t h", "Ġ th"}))
	var out bytes.Buffer
	must(t, gguf.Encode(&out, f, func(i int) []byte {
		x := f.Tensors[i]
		data := b[x.Offset : x.Offset+x.Size]
		if spoil != nil {
			spoil(x.Name, data)
		}
		return data
	}))
	must(t, os.WriteFile(path, out.Bytes(), 0o644))
}

// TestVerifyScript runs verify on the checkpoints in $FAMILIES, of which spoiled
// has one bias zeroed, and broken one number in it that is none.
func TestVerifyScript(t *testing.T) {
	dir := t.TempDir()
	layOut(t, dir)
	writeGGUF(t, filepath.Join(dir, "spoiled.gguf"), "qwen2", func(name string, data []byte) {
		if name == "blk.1.attn_k.bias" {
			clear(data)
		}
	})
	writeGGUF(t, filepath.Join(dir, "broken.gguf"), "qwen2", func(name string, data []byte) {
		if name == "blk.1.attn_k.bias" {
			copy(data, []byte{0, 0, 0xc0, 0x7f})
		}
	})
	runScripts(t, "testdata/verify", func(env *testscript.Env) { env.Setenv("FAMILIES", dir) })
}

// report compares a model with a reference, but for sites that are left out.
func report(t *testing.T, path string, ref *lm.Reference, leave ...string) lm.Report {
	t.Helper()
	m, err := lm.Open(path)
	must(t, err)
	defer m.Close()
	eng := pass.NewEngine(m.Net, pass.Options{Mode: op.Exact})
	defer eng.Close()
	some := *ref
	some.Sites = slices.DeleteFunc(slices.Clone(ref.Sites), func(s lm.ReferenceSite) bool { return slices.Contains(leave, s.Site) })
	r, err := lm.Verify(context.Background(), eng, &some)
	must(t, err)
	return r
}

// cell is a report in a cell of docs/models.md.
func cell(r lm.Report) string {
	if s, differs := r.First(); differs {
		return "**differs** from `" + s.Name() + "` on"
	}
	worst := worstSite(r)
	return fmt.Sprintf("%d agree; worst `%s`, %.2f", len(r), worst.Name(), share(worst))
}

// families are the rows of docs/models.md.
var familyRows = []struct{ name, models string }{
	{"llama", "Llama, SmolLM, SmolLM2, TinyLlama"},
	{"qwen2", "Qwen2, Qwen2.5"},
	{"qwen3", "Qwen3"},
	{"gpt2", "GPT-2"},
	{"gptneox", "GPT-NeoX, Pythia"},
	{"gemma3", "Gemma 3, text"},
}

const modelsPage = "../../docs/models.md"

// docs/models.md says what verify says today. go test ./internal/cli -run
// ModelsPage -update writes it anew.
func TestModelsPage(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the figures are those of amd64; elsewhere the last digits may differ")
	}
	dir := t.TempDir()
	names := layOut(t, dir)
	var table strings.Builder
	for _, f := range familyRows {
		names = slices.DeleteFunc(names, func(n string) bool { return n == f.name })
		b, err := os.Open(filepath.Join(dir, f.name+".json.gz"))
		must(t, err)
		ref, err := readReference(b)
		must(t, err)
		must(t, b.Close())
		var leave []string
		if f.name == "llama" { // queries and keys of a head lie in another order in GGUF files, of which the reference is
			leave = []string{"attn.q", "attn.k", "attn.rot_q", "attn.rot_k"}
		}
		fmt.Fprintf(&table, "| %s | `%s` | %s | %s | %s |\n", f.models, f.name,
			cell(report(t, filepath.Join(dir, f.name+".gguf"), ref)), cell(report(t, filepath.Join(dir, f.name), ref, leave...)), ref.Made)
	}
	if len(names) > 0 {
		t.Errorf("families without a row: %v", names)
	}
	onPage(t, "families", table.String())
}

// The rows of the real models, too.
func TestModelsPageRealModel(t *testing.T) {
	var rows strings.Builder
	for _, m := range []struct{ name, path string }{{"smollm2", testmodel.Path(t)}, {"gemma3", testmodel.Gemma(t)}} {
		b, err := references.Open("reference/" + m.name + ".json.gz")
		must(t, err)
		ref, err := readReference(b)
		must(t, err)
		must(t, b.Close())
		r := report(t, m.path, ref)
		if s, differs := r.First(); differs {
			t.Errorf("%s: %s is the first site that differs: off by %.3g, limit %.3g", m.name, s.Name(), s.Error, s.Limit)
		}
		fmt.Fprintf(&rows, "| `%s` | `%s` | %d | %d | %s | %s |\n", m.name, ref.Model, len(ref.Tokens), numbers(ref), cell(r), ref.Made)
	}
	if runtime.GOARCH == "amd64" {
		onPage(t, "real", rows.String())
	}
}

// numbers is how many numbers of all sites a reference has.
func numbers(ref *lm.Reference) (n int) {
	for _, s := range ref.Sites {
		n += len(s.Values)
	}
	return n
}

// onPage compares the rows between the marks of a table with those wanted, or
// writes them.
func onPage(t *testing.T, mark, want string) {
	t.Helper()
	b, err := os.ReadFile(modelsPage)
	must(t, err)
	begin, end := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->"
	head, rest, ok := strings.Cut(string(b), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: no marks %q and %q", modelsPage, begin, end)
	}
	top := strings.SplitAfterN(old, "\n", 3) // the head of the table and its rule
	if len(top) < 3 {
		t.Fatalf("%s: no table at %q", modelsPage, begin)
	}
	if *update {
		must(t, os.WriteFile(modelsPage, []byte(head+begin+top[0]+top[1]+want+end+tail), 0o644))
	} else if top[2] != want {
		t.Errorf("%s is stale; go test ./internal/cli -run ModelsPage -update\nit has\n%s\nand verify says\n%s", modelsPage, top[2], want)
	}
}

// The references that are built in are those that the table says.
func TestBuiltInReferences(t *testing.T) {
	files, err := references.ReadDir("reference")
	must(t, err)
	if len(files) != len(referenceOf) {
		t.Errorf("%d files for %d models", len(files), len(referenceOf))
	}
	for digest, name := range referenceOf {
		f, err := references.Open("reference/" + name)
		must(t, err)
		ref, err := readReference(f)
		must(t, err)
		must(t, f.Close())
		if ref.Digest != digest || len(ref.Sites) == 0 || ref.Sites[len(ref.Sites)-1].Site != "logits" {
			t.Errorf("%s: of a file with digest %s, %d sites; the table says %s", name, ref.Digest, len(ref.Sites), digest)
		}
	}
}

func TestReadReferenceRefuses(t *testing.T) {
	pack := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(s))
		z.Close()
		return b.String()
	}
	for _, c := range []struct{ file, want string }{
		{"", "reference: unexpected end of JSON input"},
		{"\x1f\x8b", "reference: unexpected EOF"},
		{pack("{}")[:12], "reference: unexpected EOF"},
		{pack("nonsense"), "reference: invalid character"},
		{pack(strings.Repeat(" ", 65<<20)), "reference: more than 67108864 bytes"}, // 64 kB that unpack to more
		{`{"every": -1}`, "reference: every -1. number"},
		{`{"sites": [{"layer": 1, "site": "attn.q", "values": "AACAfw=="}]}`, "reference: layer 1: attn.q: number 0 is +Inf"},
		{`{"sites": [{"layer": 1, "site": "attn.q", "values": "AADAfw=="}]}`, "reference: layer 1: attn.q: number 0 is NaN"},
		{`{"sites": [{"site": "logits", "torch_f32_max_error": 1e300}]}`, "reference: layer 0: logits: an error of 1e+300"},
		{`{"sites": [{"site": "logits", "torch_f32_max_error": -1}]}`, "reference: layer 0: logits: an error of -1"},
	} {
		if _, err := readReference(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: error %v doesn't say %q", c.file, err, c.want)
		}
	}
}

// Every so many numbers of a site are those of the whole: a reference that is
// thinned out agrees where the whole does, and sees what differs.
func TestThinnedReference(t *testing.T) {
	dir := t.TempDir()
	layOut(t, dir)
	f, err := os.Open(filepath.Join(dir, "qwen2.json.gz"))
	must(t, err)
	defer f.Close()
	whole, err := readReference(f)
	must(t, err)
	for _, every := range []int{1, 3, 17, 1000} {
		thin := *whole
		thin.Every = every
		thin.Sites = slices.Clone(whole.Sites)
		for i, s := range thin.Sites {
			thin.Sites[i].Values = nil
			for j := 0; j < len(s.Values); j += every {
				thin.Sites[i].Values = append(thin.Sites[i].Values, s.Values[j])
			}
		}
		r := report(t, filepath.Join(dir, "qwen2.gguf"), &thin)
		if s, differs := r.First(); differs || len(r) != len(whole.Sites) {
			t.Errorf("every %d: %s differs, %d sites", every, s.Name(), len(r))
		}
		if every > 17 {
			continue
		}
		writeGGUF(t, filepath.Join(dir, "spoiled.gguf"), "qwen2", func(name string, data []byte) {
			if name == "blk.1.attn_k.bias" {
				clear(data)
			}
		})
		if s, _ := report(t, filepath.Join(dir, "spoiled.gguf"), &thin).First(); s.Name() != "1.attn.k" {
			t.Errorf("every %d: the first site that differs is %s", every, s.Name())
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct{ err, limit, want float64 }{{0, 0, 0}, {1, 4, 0.25}, {1, 0, 1e9}, {math.NaN(), 1, 1e9}, {math.Inf(1), 1, 1e9}} {
		if got := share(lm.SiteError{Error: c.err, Limit: c.limit}); got != c.want {
			t.Errorf("%g of %g: %g", c.err, c.limit, got)
		}
	}
}

// Ctrl-C ends verify and eval with 130, a line, and no result.
func TestInterruptEval(t *testing.T) {
	dir := t.TempDir()
	model, text, questions := filepath.Join(dir, "tiny.gguf"), filepath.Join(dir, "text.txt"), filepath.Join(dir, "task.jsonl")
	must(t, tinymodel.Write(model))
	must(t, os.WriteFile(text, bytes.Repeat([]byte("0123456789\n"), 100_000), 0o644))
	must(t, os.WriteFile(questions, bytes.Repeat([]byte(`{"prompt": "0123456789", "choices": ["a", "b"], "answer": 0}`+"\n"), 100_000), 0o644))
	for _, args := range [][]string{{"-f", text}, {"-f", text, "--methods", "tova:budget=8"}, {"--task", questions}} {
		ctx, cancel := context.WithCancelCause(context.Background())
		stop := time.AfterFunc(300*time.Millisecond, func() { cancel(errInterrupted) })
		var out, errs bytes.Buffer
		code := run(ctx, append([]string{"eval", model, "-q"}, args...), strings.NewReader(""), &out, &errs)
		stop.Stop()
		if code != exitInterrupted || out.Len() > 0 || errs.String() != "mica eval: interrupted\n" {
			t.Errorf("%v: code %d, standard output %q, standard error %q", args, code, out.String(), errs.String())
		}
	}
}
