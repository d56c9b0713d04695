package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mica": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the command as people do, on a tiny model with random weights.
func TestScript(t *testing.T) { runScripts(t, "testdata/script", nil) }

// TestRealModel runs it on SmolLM2; $SMOLLM2 is the file.
func TestRealModel(t *testing.T) {
	path := testmodel.Path(t)
	runScripts(t, "testdata/real", func(env *testscript.Env) { env.Setenv("SMOLLM2", path) })
}

func runScripts(t *testing.T, dir string, more func(*testscript.Env)) {
	model, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	hub := newHub(t, model)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: false,
		Setup: func(env *testscript.Env) error {
			for _, kv := range os.Environ() { // nothing of the machine's own settings
				if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "MICA_") || strings.HasPrefix(k, "HF_") {
					env.Setenv(k, "")
				}
			}
			home := filepath.Join(env.WorkDir, "home")
			for _, k := range []string{"HOME", "USERPROFILE", "AppData", "LocalAppData"} {
				env.Setenv(k, home)
			}
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
			env.Setenv("MICA_CACHE", filepath.Join(home, "mica"))
			env.Setenv("MICA_OFFLINE", "1")
			env.Setenv("HUB", hub) // an address for HF_ENDPOINT
			if more != nil {
				more(env)
			}
			if err := writeAdapter(filepath.Join(env.WorkDir, "adapter")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "tiny.gguf"), model, 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json":  checkJSON,
			"code":  checkCode,
			"lines": checkLines,
		},
	})
}

// checkJSON is: json PATH [VALUE]. The last standard output is one JSON
// document that has something at PATH (a.0.b; a.len is a length); with VALUE it
// is that.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var doc any
	ts.Check(d.Decode(&doc))
	if d.More() {
		ts.Fatalf("more than one document")
	}
	got, err := lookup(doc, strings.Split(args[0], "."))
	if neg {
		if err == nil && (len(args) < 2 || fmt.Sprint(got) == args[1]) {
			ts.Fatalf("%s is %v", args[0], got)
		}
		return
	}
	ts.Check(err)
	if len(args) > 1 && fmt.Sprint(got) != args[1] {
		ts.Fatalf("%s is %v, want %s", args[0], got, args[1])
	}
}

func lookup(v any, path []string) (any, error) {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			y, ok := x[p]
			if !ok {
				return nil, fmt.Errorf("no field %q", p)
			}
			v = y
		case []any:
			if p == "len" {
				v = len(x)
				continue
			}
			i, err := strconv.Atoi(p)
			if err != nil || i < -len(x) || i >= len(x) {
				return nil, fmt.Errorf("no element %q of %d", p, len(x))
			}
			if i < 0 {
				i += len(x)
			}
			v = x[i]
		default:
			return nil, fmt.Errorf("nothing at %q in %v", p, v)
		}
	}
	return v, nil
}

// checkCode is: code N ARGS... It runs mica ARGS, which must exit with N, and
// if N is not 0 write nothing to standard output and one or two lines to
// standard error, the first of which begins with "mica".
func checkCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("mica", args[1:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s: %s", code, args[0], stderr)
	}
	if code == "0" {
		return
	}
	if stdout != "" {
		ts.Fatalf("standard output: %s", stdout)
	}
	if n := strings.Count(stderr, "\n"); n < 1 || n > 2 || !strings.HasPrefix(stderr, "mica") || strings.Contains(stderr, "goroutine") {
		ts.Fatalf("standard error: %s", stderr)
	}
}

// checkLines is: lines N. The last standard output has N lines.
func checkLines(ts *testscript.TestScript, _ bool, args []string) {
	if n := strings.Count(ts.ReadFile("stdout"), "\n"); strconv.Itoa(n) != args[0] {
		ts.Fatalf("%d lines, want %s", n, args[0])
	}
}
