package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// saved makes a folder with one checkpoint, of step 7, and returns its path.
func saved(t testing.TB) (d *Dir, path string) {
	t.Helper()
	d, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	tr := newTraining(t)
	tr.step()
	if err := d.Save(7, tr.state()); err != nil {
		t.Fatal(err)
	}
	return d, filepath.Join(d.path, nameOf(7))
}

// reseal changes the manifest and makes its hash right again.
func reseal(t testing.TB, path string, change func(s string) string) {
	t.Helper()
	name := filepath.Join(path, manifestName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body := change(string(b[:len(b)-sealLen]))
	if err := os.WriteFile(name, seal([]byte(body)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// rewrite replaces a file of a checkpoint, with its hash in the manifest.
func rewrite(t testing.TB, path, name string, b []byte) {
	t.Helper()
	old, err := os.ReadFile(filepath.Join(path, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
	entry := func(b []byte) string {
		sum := sha256.Sum256(b)
		return fmt.Sprintf(`"bytes": %d, "sha256": "%s"`, len(b), hex.EncodeToString(sum[:]))
	}
	reseal(t, path, func(s string) string { return strings.Replace(s, entry(old), entry(b), 1) })
}

// Each way to break a checkpoint, and the whole error of reading it; PATH stands for
// the folder. The checkpoint is found to be damaged, and nothing is loaded.
func TestBroken(t *testing.T) {
	replace := func(old, new string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			reseal(t, path, func(s string) string {
				if !strings.Contains(s, old) {
					t.Fatalf("no %q in %s", old, s)
				}
				return strings.Replace(s, old, new, 1)
			})
		}
	}
	edit := func(name string, change func(b []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			name := filepath.Join(path, name)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, change(b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Remove(filepath.Join(path, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	longer := func(b []byte) []byte { return append(b, 0) }
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  string // after "checkpoint is damaged: PATH: "
	}{
		{"no manifest", remove("manifest.json"), "manifest.json is missing"},
		{"no weights", remove("weights.safetensors"), "weights.safetensors is missing"},
		{"no part", remove("adam.safetensors"), "adam.safetensors is missing"},
		{"short weights", edit("weights.safetensors", cut), "weights.safetensors has 439 bytes, it should have 440"},
		{"long part", edit("adam.safetensors", longer), "adam.safetensors has 937 bytes, it should have 936"},
		{"flipped bit", edit("adam.safetensors", flip), "adam.safetensors has SHA-256 *, it should have *"},
		{"empty manifest", edit("manifest.json", func([]byte) []byte { return nil }), "manifest.json: 0 bytes are no manifest"},
		{"short manifest", edit("manifest.json", cut), "manifest.json: does not end with its SHA-256: it was cut short or written by another program"},
		{"flipped manifest", edit("manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"step": 7`), []byte(`"step": 8`), 1) }), "manifest.json: SHA-256 is *, it should be *: it was changed"},
		{"folder for a file", func(t *testing.T, path string) {
			remove("manifest.json")(t, path)
			if err := os.Mkdir(filepath.Join(path, "manifest.json"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, "manifest.json: wrong size: not a regular file"},
		{"other step", replace(`"step": 7`, `"step": 8`), "manifest.json says step 8"},
		{"negative step", replace(`"step": 7`, `"step": -7`), "manifest.json: -7 is not a whole number (at byte *)"},
		{"far step", replace(`"step": 7`, `"step": 1000000000000001`), "manifest.json: 1000000000000001 is beyond 1000000000000000 (at byte *)"},
		{"no step", replace(`"step": 7,`, ``), `manifest.json: field "step" is missing (at byte 0)`},
		{"no loop", func(t *testing.T, path string) {
			reseal(t, path, func(s string) string { return s[:strings.Index(s, ",\n  \"loop\"")] })
		}, `manifest.json: field "loop" is missing (at byte 0)`},
		{"unknown field", replace(`"step": 7`, `"stop": 7`), `manifest.json: unknown field "stop" (at byte *)`},
		{"a field twice", replace(`"step": 7`, `"step": 7, "step": 7`), `manifest.json: field "step" is there twice (at byte *)`},
		{"other format", replace(`"mica checkpoint"`, `"pickle"`), `manifest.json: format "pickle", want "mica checkpoint" (at byte 14)`},
		{"later version", replace(`"version": 1`, `"version": 2`), "manifest.json: format version 2: this mica reads version 1: use the one that made it (at byte 46)"},
		{"not JSON", replace(`"step": 7`, `step: 7`), `manifest.json: want a string, have 's' (at byte *)`},
		{"path", replace(`"weights.safetensors"`, `"../../weights.safetensors"`), `manifest.json: file name "../../weights.safetensors": want letters, digits, '-' and '_', and .safetensors (at byte *)`},
		{"other extension", replace(`"adam.safetensors"`, `"adam.pickle"`), `manifest.json: file name "adam.pickle": want letters, digits, '-' and '_', and .safetensors (at byte *)`},
		{"a file twice", replace(`"adam.safetensors"`, `"weights.safetensors"`), `manifest.json: file "weights.safetensors" is there twice (at byte *)`},
		{"no file of weights", replace(`"weights.safetensors"`, `"w.safetensors"`), "manifest.json: there is no file weights.safetensors (at byte *)"},
		{"huge size", replace(`"bytes": 440`, `"bytes": 9223372036854775807`), "weights.safetensors has 440 bytes, it should have 9223372036854775807"},
		{"size overflows", replace(`"bytes": 440`, `"bytes": 9223372036854775808`), "manifest.json: 9223372036854775808 is beyond 9223372036854775807 (at byte *)"},
		{"short hash", replace(`"sha256": "`, `"sha256": "a`), `manifest.json: file "weights.safetensors": sha256 * is not one (at byte *)`},
		{"deep loop", replace(`"loop": {`, `"loop": {"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+","), "manifest.json: nested deeper than 65 (at byte *)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, path := saved(t)
			c.spoil(t, path)
			_, err := d.At(7)
			if !errors.Is(err, ErrTorn) {
				t.Fatalf("error %v, want ErrTorn", err)
			}
			want := "checkpoint is damaged: " + path + ": " + c.want
			if !like(err.Error(), want) {
				t.Errorf("error\n%v, want\n%s", err, want)
			}
			if _, err := d.Latest(); !errors.Is(err, ErrTorn) || errors.Is(err, ErrNone) {
				t.Errorf("Latest: %v, want ErrTorn", err)
			}
		})
	}
}

// like compares texts, of which want may have stars.
func like(have, want string) bool {
	parts := strings.Split(want, "*")
	for i, p := range parts {
		at := strings.Index(have, p)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		have = have[at+len(p):]
	}
	return have == "" || parts[len(parts)-1] == ""
}

// Whole checkpoints of something else, and the error of loading them.
func TestOther(t *testing.T) {
	tensors := func(steps string, names ...string) []byte {
		var b bytes.Buffer
		var ts []safetensors.Tensor
		for _, n := range names {
			ts = append(ts, safetensors.Tensor{Name: n, Type: safetensors.F32, Shape: []uint64{1}})
		}
		err := safetensors.Write(&b, map[string]string{"steps": steps}, ts, func(int) []byte { return make([]byte, 4) })
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	named := func(name string, rows, cols int) *op.Weight {
		w := op.NewWeight(name, tensor.FromFloat32(rows, cols, make([]float32, rows*cols)))
		w.Train()
		return w
	}
	for _, c := range []struct {
		name  string
		spoil func(tr *training, s *State, path string)
		want  string // after "checkpoint is of something else: PATH: "
	}{
		{"shape", func(tr *training, s *State, _ string) {
			tr.w[1] = named("blk.1.weight", 2, 3)
			tr.w[2] = named("blk.2.weight", 9, 9)
		},
			`weights.safetensors: weight "blk.1.weight" is F32 [2, 3] here and F32 [1, 1] in it`},
		{"missing", func(tr *training, s *State, _ string) { tr.w[0] = named("blk.9.weight", 1, 15) },
			`weights.safetensors: weight "blk.9.weight", here F32 [1, 15], isn't in it`},
		{"left over", func(tr *training, s *State, _ string) { s.Weights = tr.w[:2] },
			`weights.safetensors: it has a weight "blk.2.weight", F32 [1, 40], which isn't here`},
		{"type", func(tr *training, s *State, _ string) {
			x, err := tensor.NewStorage(tensor.BF16, 1, 1, []byte{0, 0})
			if err != nil {
				t.Fatal(err)
			}
			tr.w[1] = op.NewWeight("blk.1.weight", x)
		}, `weights.safetensors: weight "blk.1.weight" is BF16 [1, 1] here and F32 [1, 1] in it`},
		{"other rule", func(tr *training, s *State, _ string) {
			o, err := optim.New(nil, optim.SGD{Momentum: 0.5}, tr.w)
			if err != nil {
				t.Fatal(err)
			}
			s.Parts["adam"] = o
		}, `adam.safetensors: state "blk.0.weight/velocity", here F32 [15], isn't in it`},
		{"no part", func(_ *training, s *State, _ string) { s.Parts = nil }, `it has a part "adam", which isn't here`},
		{"more parts", func(tr *training, s *State, _ string) { s.Parts["ema"] = tr.o }, `part "ema" isn't in it`},
		{"loop", func(_ *training, s *State, _ string) { s.Loop = &struct{ Step int }{} }, `loop: json: unknown field "Seed"`},
		{"no steps", func(_ *training, _ *State, path string) { rewrite(t, path, "adam.safetensors", tensors("-1")) },
			`adam.safetensors: steps "-1" are no count`},
		{"few slots", func(_ *training, _ *State, path string) { rewrite(t, path, "adam.safetensors", tensors("1")) },
			`adam.safetensors: state "blk.0.weight/mean", here F32 [15], isn't in it`},
		{"slot of another length", func(_ *training, _ *State, path string) {
			rewrite(t, path, "adam.safetensors", tensors("1", "blk.0.weight/mean"))
		}, `adam.safetensors: state "blk.0.weight/mean" is F32 [15] here and F32 [1] in it`},
		{"recipe", func(_ *training, _ *State, path string) {
			reseal(t, path, func(s string) string { return strings.Replace(s, `"recipe": ""`, `"recipe": "b"`, 1) })
		}, `it was made by recipe "b", this is "a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, path := saved(t)
			tr := newTraining(t)
			s := tr.state()
			c.spoil(tr, &s, path)
			if c.name == "recipe" {
				d.opts.Recipe = "a"
			}
			before := tr.print()
			at, err := d.Latest()
			if err != nil {
				t.Fatal(err)
			}
			err = at.Load(s)
			if want := "checkpoint is of something else: " + path + ": " + c.want; !errors.Is(err, ErrOther) || err.Error() != want {
				t.Errorf("error\n%v, want\n%s", err, want)
			}
			if tr.print() != before {
				t.Error("a Load that failed changed something")
			}
		})
	}
}

// A file that is not safetensors, but has the hash that the manifest says.
func TestHashedNonsense(t *testing.T) {
	d, path := saved(t)
	rewrite(t, path, "weights.safetensors", []byte("nonsense"))
	at, err := d.Latest()
	if err != nil {
		t.Fatal(err)
	}
	want := "checkpoint is damaged: " + path + ": weights.safetensors: safetensors: header: length 7310308002159816558 exceeds the limit of 100000000 (at byte 0)"
	if err := at.Load(newTraining(t).state()); err == nil || err.Error() != want {
		t.Errorf("error\n%v, want\n%s", err, want)
	}
}

// The file may change between the look and the load.
func TestChangedAfterwards(t *testing.T) {
	d, path := saved(t)
	at, err := d.Latest()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(path, "weights.safetensors")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	tr := newTraining(t)
	before := tr.print()
	if err := at.Load(tr.state()); !errors.Is(err, ErrTorn) || tr.print() != before {
		t.Errorf("error %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	_, path := saved(f)
	b, err := os.ReadFile(filepath.Join(path, manifestName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:len(b)-sealLen])
	f.Add([]byte(`{"format": "mica checkpoint", "version": 1, "mica": "", "step": 0, "recipe": "", "files": [{"name": "weights.safetensors", "bytes": 0, "sha256": "` + digest(nil) + `"}], "loop": null`))
	for _, s := range []string{"", "{", `{"format": "x"`, `{"files": [{"name": "a.safetensors", "name": "b.safetensors"}]`, `{"loop": {"a": [1, 2, {}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, err := parseManifest(body); err == nil {
			t.Fatalf("without its hash: %+v", m)
		}
		m, err := parseManifest(seal(bytes.Clone(body)))
		if err != nil {
			return
		}
		if !json.Valid(m.loop) {
			t.Fatalf("loop %q", m.loop)
		}
		for _, info := range m.files {
			if filepath.Base(info.name) != info.name || info.size < 0 {
				t.Fatalf("file %+v", info)
			}
		}
		again, err := parseManifest(m.encode())
		if err != nil || !bytes.Equal(again.encode(), m.encode()) {
			t.Fatalf("what was accepted is refused when it is written anew: %v", err)
		}
	})
}

// FuzzFile takes any file that safetensors accepts for weights and for a part.
func FuzzFile(f *testing.F) {
	_, path := saved(f)
	for _, name := range []string{"weights.safetensors", "adam.safetensors"} {
		b, err := os.ReadFile(filepath.Join(path, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(bytes.Replace(b, []byte("F32"), []byte("I32"), 1))
		f.Add(bytes.Replace(b, []byte("[15]"), []byte("[3, 5]"), 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := safetensors.Parse(b)
		if err != nil {
			return
		}
		tr := newTraining(t)
		s := tr.state()
		if all, err := s.weights(file, b); err == nil {
			for i, x := range all {
				if w := tr.w[i]; x.Rows != w.Rows || x.Cols != w.Cols || x.DType != w.DType {
					t.Fatalf("%s becomes %v [%d, %d]", w.Name, x.DType, x.Rows, x.Cols)
				}
			}
		}
		if state, err := part(tr.o.State(), file, b); err == nil {
			if err := tr.o.Restore(state); err != nil {
				t.Fatalf("accepted, and then refused: %v", err)
			}
		}
	})
}
