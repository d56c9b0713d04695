package recipe

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micaml/mica/checkpoint"
	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// build makes the job of a recipe.
func build(t *testing.T, r *Recipe, err error) *Job { return buildOn(t, 2, r, err) }

func buildOn(t *testing.T, threads int, r *Recipe, err error) *Job {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	j, err := Build(r, Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// finish runs a job to its end.
func finish(t *testing.T, j *Job, folder string, w Watch) *Result {
	t.Helper()
	run, err := j.Start(folder, w)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := run.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	out, err := run.Finish(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range out.Files {
		if info, err := os.Stat(filepath.Join(folder, f)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	return out
}

// small makes an example a matter of a second.
var small = map[string][]string{
	"blobs-mlp":   {"data.examples=64", "steps=3"},
	"fashion-mlp": {`data={"kind":"generated","what":"shapes","examples":64}`, "steps=3", "batch=8", "evaluate.every=1"},
	"fashion-wrong-labels": {`data={"kind":"generated","what":"shapes","examples":64,"wrong_labels":"symmetric:rate=0.4"}`, "steps=3", "batch=8", "evaluate.every=1",
		`network.blocks=[{"channels":4},{"channels":4,"stride":2,"residual":false}]`},
	"shapes-vit":        {"data.examples=64", "steps=3", "batch=8", "network.width=16", "evaluate.every=2"},
	"sums-llama":        {"data.examples=200", "steps=3", "batch=2", "network.width=16", "data.length=16", "evaluate.every=2"},
	"text-llama":        {"steps=3", "batch=2", "network.width=24", "data.length=16", "data.tokenizer=bpe:vocab=300", "evaluate.every=2"},
	"model-lora":        {"steps=3", "batch=2", "data.length=16", "accumulate=2", "evaluate.every=2"},
	"model-last-layers": {"steps=3", "batch=2", "data.length=16", "accumulate=2", "evaluate.every=2"},
}

// Every example is read, planned, trained, evaluated and saved.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("examples/*.json")
	if err != nil || len(files) != len(small) {
		t.Fatalf("%d examples, %d of them are run: %v", len(files), len(small), err)
	}
	dir := t.TempDir()
	corpus, model := filepath.Join(dir, "corpus.txt"), filepath.Join(dir, "tiny.gguf")
	if err := os.WriteFile(corpus, []byte(strings.Repeat("the Paris of the north, and in Paris the Seine\n", 30)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tinymodel.Write(model); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		t.Run(name, func(t *testing.T) {
			set := small[name]
			if strings.HasPrefix(name, "text") || strings.HasPrefix(name, "model") {
				set = append(set, `data.files=["`+filepath.ToSlash(corpus)+`"]`)
			}
			if strings.HasPrefix(name, "model") {
				set = append(set, "network.path="+model)
			}
			r, err := Read(f, set...)
			j := build(t, r, err)
			e, err := j.Estimate()
			if err != nil {
				t.Fatal(err)
			}
			if e.Memory() <= 0 || e.Flops <= 0 || !(e.Seconds > 0) {
				t.Errorf("%+v", e)
			}
			for _, w := range j.net.Weights() {
				if w.Grad != nil {
					t.Fatalf("a plan has allocated the gradient of %s", w.Name)
				}
			}
			folder, evaluations := t.TempDir(), 0
			out := finish(t, j, folder, Watch{Evaluated: func(train.Metrics) { evaluations++ }})
			if out.Steps != 3 || evaluations == 0 || !(out.Held["loss"] > 0) || math.IsInf(out.Held["loss"], 0) {
				t.Errorf("%d evaluations, %+v", evaluations, out)
			}
			if !j.data.text {
				return
			}
			if j.adapter != nil {
				a, err := lora.Load(j.model.Net, filepath.Join(folder, adapterFolder))
				if err != nil || a.Parameters() != j.Size().Trained {
					t.Errorf("the adapter: %v", err)
				}
				return
			}
			path := folder
			if j.model != nil {
				path = filepath.Join(folder, "model.gguf")
			}
			m, err := lm.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			// What was written says the same.
			eng := pass.NewEngine(m.Net, pass.Options{Threads: 1})
			defer eng.Close()
			held, err := language{&train.Language{Engine: eng}}.measure(context.Background(), j.data.held, r.Batch)
			if err != nil || math.Abs(held["loss"]-out.Held["loss"]) > 1e-5 {
				t.Errorf("written: %v, before: %v: %v", held, out.Held, err)
			}
		})
	}
}

// Blobs are learnt, with each optimizer.
func TestLearns(t *testing.T) {
	for _, o := range []string{"sgd", "adam", "adamw", "adam8", "adamw8"} {
		set := []string{"steps=150", "data.examples=512", "optimizer=" + o, "rate=cosine:peak=0.01,warmup=5"}
		r, err := Parse([]byte(blobs), set...)
		if out := finish(t, build(t, r, err), t.TempDir(), Watch{}); out.Held["accuracy"] < 0.95 {
			t.Errorf("%s: %+v", o, out)
		}
	}
}

// Each loss, rate and average goes through a training.
func TestEveryMethod(t *testing.T) {
	var sets [][]string
	for _, l := range losses {
		s := "loss=" + l.name
		if l.name == "forward" {
			s += ":rate=0.2"
		}
		sets = append(sets, []string{s, "data.wrong_labels=symmetric:rate=0.2"})
	}
	for _, m := range rates {
		s := "rate=" + m.name + ":warmup=2"
		switch m.name {
		case "restarts":
			s += ",round=3"
		case "stairs":
			s += ",every=2"
		}
		sets = append(sets, []string{s, "data.wrong_labels=next:rate=0.2"})
	}
	for _, m := range averages {
		sets = append(sets, []string{"average=" + m.name, "evaluate.every=2", "evaluate.best=loss"})
	}
	for _, s := range sets {
		r, err := Parse([]byte(blobs), append(s, "steps=6", "data.examples=64", "batch=8")...)
		if out := finish(t, build(t, r, err), t.TempDir(), Watch{}); !(out.Held["loss"] > 0) {
			t.Errorf("%v: %+v", s, out)
		}
	}
}

const cnn = `{"network": {"kind": "cnn", "blocks": [{"channels": 4}, {"channels": 4, "stride": 2}], "dropout": 0.1},
	"data": {"kind": "generated", "what": "shapes", "examples": 64, "wrong_labels": "symmetric:rate=0.4"},
	"loss": "elr", "average": "ema:decay=0.9", "batch": 8, "steps": 8, "accumulate": 2, "clip": 1, "evaluate": {"every": 2, "best": "loss"}}`

// A training that is interrupted and goes on, on one thread, ends with the same bytes: weights,
// statistics, the table of the loss, the average and the log.
func TestResume(t *testing.T) {
	results := map[bool]map[string][]byte{}
	for _, interrupted := range []bool{false, true} {
		folder := t.TempDir()
		if interrupted {
			r, err := Parse([]byte(cnn))
			ctx, cancel := context.WithCancel(context.Background())
			run, err := buildOn(t, 1, r, err).Start(folder, Watch{Step: func(p train.Progress) {
				if p.Step == 3 {
					cancel()
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Run(ctx); !errors.Is(err, context.Canceled) || run.Step() != 3 {
				t.Fatalf("step %d: %v", run.Step(), err)
			}
			run.Close()
		}
		r, err := Parse([]byte(cnn))
		out := finish(t, build(t, r, err), folder, Watch{})
		results[interrupted] = map[string][]byte{}
		for _, f := range out.Files {
			if results[interrupted][f], err = os.ReadFile(filepath.Join(folder, f)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for f, b := range results[false] {
		if !bytes.Equal(b, results[true][f]) {
			t.Errorf("%s differs", f)
		}
	}
}

// Checkpoints of another recipe, or of other data, are refused; a longer training
// goes on.
func TestOtherRecipe(t *testing.T) {
	folder := t.TempDir()
	r, err := Parse([]byte(blobs), "data.examples=64")
	finish(t, build(t, r, err), folder, Watch{})
	for set, want := range map[string]error{"steps=9": nil, "save.keep=5": nil, "seed=2": checkpoint.ErrOther, "network.hidden=[9]": checkpoint.ErrOther,
		"optimizer=sgd": checkpoint.ErrOther, "data.examples=65": checkpoint.ErrOther, "loss=generalized": checkpoint.ErrOther} {
		r, err := Parse([]byte(blobs), "data.examples=64", set)
		run, err := build(t, r, err).Start(folder, Watch{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Resume(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", set, err, want)
		}
		run.Close()
	}
}

// What doesn't fit is told before anything is trained, and both sides are named.
func TestWhatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return filepath.ToSlash(path)
	}
	pics := write("pics", append([]byte{0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3}, make([]byte, 54)...))
	labels := write("labels", append([]byte{0, 0, 8, 1, 0, 0, 0, 9}, 0, 1, 0, 1, 0, 1, 0, 1, 0))
	cut := write("cut", append([]byte{0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3}, make([]byte, 50)...))
	short := write("short.txt", []byte("too short"))
	binary := write("binary.txt", []byte("\xff\xfe"))
	idx := func(images string) string {
		return `"data": {"kind": "idx", "images": "` + images + `", "labels": "` + labels + `"}, "evaluate": {"share": 0.4}, "batch": 2, "steps": 1}`
	}
	const vit, llama = `{"network": {"kind": "vit", "patch": 4, "layers": 1, "width": 8, "heads": 2}, `, `{"network": {"kind": "llama", "layers": 1, "width": 8, "heads": 2, "context": 32}, "steps": 1, `
	for _, c := range []struct{ name, text, want string }{
		{"patch", vit + idx(pics), `network.patch: pictures of 2x3 of data.kind "idx" don't make patches of 4x4`},
		{"truncated", vit + idx(cut), `dataset: ` + cut + `: idx: 50 bytes of data, and the header declares 54`},
		{"absent", vit + idx("nosuch"), `dataset: open nosuch: `},
		{"clothes", vit + `"data": {"kind": "fashion-mnist", "folder": "` + filepath.ToSlash(dir) + `"}, "steps": 1}`, "`apt-get install dataset-fashion-mnist` puts it into"},
		{"short text", llama + `"data": {"kind": "text", "files": ["` + short + `"], "length": 16}}`, `data: a text of 9 tokens has no two windows of 17`},
		{"binary", llama + `"data": {"kind": "text", "files": ["` + binary + `"], "length": 16}}`, `binary.txt: not UTF-8`},
		{"no text", llama + `"data": {"kind": "text", "files": ["nosuch.txt"], "length": 16}}`, `data: stat nosuch.txt: `},
		{"a folder", llama + `"data": {"kind": "text", "files": ["` + filepath.ToSlash(dir) + `"], "length": 16}}`, `not a file of text`},
		{"no tokenizer", llama + `"data": {"kind": "generated", "what": "sums", "length": 16, "tokenizer": "nosuch.json"}}`, `data.tokenizer: stat nosuch.json: `},
		{"wide", `{"network": {"kind": "mlp", "hidden": [65536, 65536]}, "data": {"kind": "generated", "what": "blobs"}, "steps": 1}`, `network: about 4295753728 numbers, at most 2147483648 are accepted`},
		{"pattern", with(`5}`, `5, "train": [{"match": ["*.attn_q.weight"]}]}`), `optim: group "train.0": pattern "*.attn_q.weight" fits no weight; near are head.weight, mlp.*.weight`},
		{"layers", with(`5}`, `5, "train": [{"layers": "3"}]}`), `optim: group "train.0": layers "3": want 0-11, 4,8, -1 (the last) or all, within 0 to 0`},
		{"a group takes all", with(`5}`, `5, "train": [{"name": "a"}, {"name": "b"}]}`), `optim: group "b": group "a" before it has taken all its weights`},
		{"rate of zero", with(`5}`, `5, "train": [{"rate": 0}]}`), `train.0.rate is 0: say "freeze": true`},
		{"no model", `{"network": {"kind": "model", "path": "nosuch.gguf"}, "data": {"kind": "generated", "what": "sums"}, "steps": 1}`, `network.path: stat nosuch.gguf: `},
	} {
		r, err := Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := Build(r, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	r, err := Parse([]byte(vit + idx("nosuch")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(r, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that isn't there: %v", err)
	}
}

// Wrong labels are as many as they should be, and none of those that are held back.
func TestWrongLabels(t *testing.T) {
	clean, err := Parse([]byte(blobs))
	c := build(t, clean, err)
	for noise, share := range map[string]float64{"symmetric:rate=0.4": 0.4 * 3 / 4, "next:rate=0.3": 0.3} {
		r, err := Parse([]byte(blobs), "data.wrong_labels="+noise)
		j := build(t, r, err)
		n := float64(j.data.train.Len())
		if got := float64(j.data.wrong) / n; math.Abs(got-share) > 4*math.Sqrt(share*(1-share)/n) {
			t.Errorf("%s: %v of the labels are wrong", noise, got)
		}
		if same := labels(t, j); !bytes.Equal(same, labels(t, c)) {
			t.Errorf("%s: labels for evaluations have changed", noise)
		}
	}
}

// labels are those that are held back.
func labels(t *testing.T, j *Job) []byte {
	t.Helper()
	all, err := dataset.Labels(j.data.held)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, l := range all {
		b = append(b, byte(l))
	}
	return b
}
