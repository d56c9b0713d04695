package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/tinymodel"
)

// invoke runs the command line in this process, with the settings of the test.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// putSafetensors writes a file with one tensor of two float32, by the format's description.
func putSafetensors(t *testing.T, path, name string) {
	t.Helper()
	header := `{"` + name + `":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	put(t, path, string(b)+header+strings.Repeat("\x00", 8))
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestCheckShards checks a model of several files, whole and with faults that only the files together have.
func TestCheckShards(t *testing.T) {
	t.Setenv("MICA_CACHE", t.TempDir())
	const shard = "model-00001-of-00001.safetensors"
	for _, test := range []struct {
		name, index string
		has         string // tensor in the shard, "" for no shard
		code        int
		want        string
	}{
		{"good", `{"weight_map":{"a":"` + shard + `"}}`, "a", 0, ""},
		{"tensor missing", `{"weight_map":{"a":"` + shard + `","b":"` + shard + `"}}`, "a", 3,
			`model.safetensors.index.json: tensor "b": is not in ` + shard},
		{"file missing", `{"weight_map":{"a":"` + shard + `"}}`, "", 3, `model.safetensors.index.json: file "` + shard + `": `},
		{"path in the index", `{"weight_map":{"a":"../` + shard + `"}}`, "a", 3, `model.safetensors.index.json: safetensors: tensor "a": file name "../`},
		{"no index", `[]`, "a", 3, "model.safetensors.index.json: safetensors: index: "},
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "config.json"), "{}")
		put(t, filepath.Join(dir, "model.safetensors.index.json"), test.index)
		if test.has != "" {
			putSafetensors(t, filepath.Join(dir, shard), test.has)
		}
		code, stdout, stderr := invoke(t, "check", dir)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %q", test.name, code, stderr)
		}
		if test.code == 0 && (strings.Count(stdout, "1 F32") != 2 || !strings.Contains(stdout, "runs          no: ")) {
			t.Errorf("%s: %s", test.name, stdout)
		}
		if test.code != 0 && stdout != "" {
			t.Errorf("%s: standard output %q", test.name, stdout)
		}
	}
}

// TestCheckChanged: a pulled file that has changed since is noticed, by its name and by its path.
func TestCheckChanged(t *testing.T) {
	model, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("MICA_CACHE", t.TempDir())
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_HUB_CACHE", "")
	t.Setenv("MICA_OFFLINE", "")
	t.Setenv("HF_HUB_OFFLINE", "")
	t.Setenv("HF_ENDPOINT", newHub(t, model))
	code, path, stderr := invoke(t, "pull", "hf:org/tiny")
	if code != 0 {
		t.Fatal(stderr)
	}
	path = strings.TrimSpace(path)
	for _, name := range []string{path, "hf:org/tiny"} {
		if code, stdout, stderr := invoke(t, "check", name); code != 0 || !strings.Contains(stdout, "as it was pulled from hf:org/tiny@") {
			t.Errorf("%s: exit code %d, %s%s", name, code, stdout, stderr)
		}
	}
	blob, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	model[len(model)-1] ^= 1
	if err := os.WriteFile(blob, model, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, "hf:org/tiny"} {
		code, stdout, stderr := invoke(t, "check", name)
		if code != 3 || stdout != "" || !strings.Contains(stderr, path+": contents differ from the announced ones: SHA-256 ") {
			t.Errorf("%s: exit code %d, %s%s", name, code, stdout, stderr)
		}
	}
}

func TestReadYes(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES \r\n": true, "yes": true, "": false, "\n": false, "n\n": false, "yup\n": false,
		"\ny\n": false, strings.Repeat("y", 200) + "\n": false} {
		if got, err := readYes(t.Context(), strings.NewReader(answer)); got != want || err != nil {
			t.Errorf("%.20q: %t, %v", answer, got, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	if yes, err := readYes(ctx, r); yes || !errors.Is(err, errInterrupted) {
		t.Errorf("interrupted: %t, %v", yes, err)
	}
}
