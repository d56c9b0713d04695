package store

import (
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeNpm behaves as MICA_FAKE_NPM says: ok, or the name of a fault.
func fakeNpm(args []string) int {
	mode, archive := os.Getenv("MICA_FAKE_NPM"), os.Getenv("MICA_FAKE_NPM_ARCHIVE")
	if log, err := os.OpenFile(archive+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		fmt.Fprintln(log, strings.Join(args, " "))
		log.Close()
	}
	cache := args[slices.Index(args, "--cache")+1]
	os.MkdirAll(cache, 0o755)
	os.WriteFile(filepath.Join(cache, "entry"), make([]byte, 1000), 0o644)
	switch mode {
	case "missing":
		fmt.Fprintln(os.Stderr, "npm error code ETARGET\nnpm error notarget No matching version found")
		return 1
	case "offline":
		fmt.Fprintln(os.Stderr, "npm error code ENOTFOUND\nnpm error network request failed")
		return 1
	case "fails":
		fmt.Fprintln(os.Stderr, "npm warn x\nnpm error code EBAD\nnpm error no space\x1b[31m left\nnpm error more")
		return 1
	case "silent":
		return 3
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if args[0] == "view" {
		sum := sha512.Sum512(data)
		if mode == "wrong hash" {
			sum[5] ^= 1
		}
		name, integrity := "tiny-model", "sha1-AAAA sha512-"+base64.StdEncoding.EncodeToString(sum[:])+"?x"
		switch mode {
		case "no hash":
			integrity = "sha1-AAAA"
		case "short hash":
			integrity = "sha512-AAAA"
		case "other package":
			name = "other"
		case "no metadata":
			fmt.Println("<html>log in</html>")
			return 0
		}
		fmt.Printf(`{"name":%q,"version":"1.0.0","dist.integrity":%q,"later":1}`, name, integrity)
		return 0
	}
	dest := args[slices.Index(args, "--pack-destination")+1]
	switch mode {
	case "flipped":
		data[len(data)/2] ^= 1
	case "short":
		data = data[:len(data)/2]
	case "nothing":
		return 0
	case "two":
		os.WriteFile(filepath.Join(dest, "second.tgz"), data, 0o644)
	}
	os.WriteFile(filepath.Join(dest, "tiny-model-1.0.0.tgz"), data, 0o644)
	return 0
}

// installNpm puts a fake npm on the PATH which offers the package made of the members.
func installNpm(t *testing.T, mode string, data []byte) (archive string) {
	t.Helper()
	bin := installSelf(t, "npm")
	archive = filepath.Join(filepath.Dir(bin), "package.tgz")
	if err := os.WriteFile(archive, data, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MICA_FAKE_NPM", mode)
	t.Setenv("MICA_FAKE_NPM_ARCHIVE", archive)
	return archive
}

var goodPackage = []entry{
	{name: "package/index.js", data: "throw 'never run'"},
	{name: "package/package.json", data: `{"name":"tiny-model","license":"MIT","scripts":{"prepack":"touch ran"}}`},
	{name: "package/m/tiny.gguf", data: body},
}

const npmRef = "npm:tiny-model@1.0.0/m/tiny.gguf"

func TestNpmPull(t *testing.T) {
	s := newStore(t)
	archive := installNpm(t, "ok", makeTar(t, goodPackage...))
	var stages []string
	m, err := s.Pull(t.Context(), "npm:tiny-model@1.0.0", func(stage string, done, total int64) { stages = append(stages, stage) })
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if m.Source != npmRef || m.License != "MIT" {
		t.Errorf("model %+v", m)
	}
	if all := strings.Join(stages, "\n"); !strings.Contains(all, "downloading tiny-model 1.0.0 with npm") || !strings.Contains(all, "unpacking tiny.gguf") {
		t.Errorf("progress was %q", stages)
	}
	log, err := os.ReadFile(archive + ".log")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "view tiny-model@1.0.0 name version dist.integrity --json --ignore-scripts ") ||
		!strings.HasPrefix(lines[1], "pack tiny-model@1.0.0 --json --pack-destination ") || !strings.Contains(lines[1], " --ignore-scripts ") {
		t.Errorf("npm was run as %q", lines)
	}
	again, err := s.Pull(t.Context(), npmRef, nil)
	if err != nil || again != m {
		t.Errorf("second pull: %+v, %v", again, err)
	}
	if err := s.Remove(npmRef); err != nil || len(files(t, filepath.Join(s.dir, "models"))) != 0 {
		t.Errorf("Remove: %v, left %v", err, files(t, s.dir))
	}
}

// TestNpmFailures: each fault of a registry, of npm or of a package, and the words for it.
func TestNpmFailures(t *testing.T) {
	with := func(e ...entry) []byte { return makeTar(t, append(e, goodPackage...)...) }
	good := with()
	for _, test := range []struct {
		name, mode string
		data       []byte
		is         error
		want       string
	}{
		{"no such version", "missing", good, ErrNotFound, "npm: not found: npm:tiny-model@1.0.0 (no such package or version)"},
		{"no network", "offline", good, ErrOffline, "npm: offline: the registry cannot be reached (ENOTFOUND)"},
		{"npm fails", "fails", good, nil, "npm: no space [31m left"},
		{"npm fails without a word", "silent", good, nil, "npm: exit status 3"},
		{"no metadata", "no metadata", good, nil, "npm: the registry's metadata: invalid character '<' looking for beginning of value"},
		{"metadata of another package", "other package", good, nil, "npm: the registry's metadata is of other 1.0.0"},
		{"no hash", "no hash", good, nil, "npm: the registry announces no SHA-512 for the package, so it cannot be checked"},
		{"short hash", "short hash", good, nil, "npm: the registry announces no SHA-512 for the package, so it cannot be checked"},
		{"wrong hash", "wrong hash", good, ErrMismatch, ", the registry announces "},
		{"flipped byte", "flipped", good, ErrMismatch, "npm: contents differ from the announced ones: the archive has SHA-512 "},
		{"short body", "short", good, ErrMismatch, "npm: contents differ from the announced ones: the archive has SHA-512 "},
		{"nothing fetched", "nothing", good, nil, "npm: left 0 files instead of one archive"},
		{"too much fetched", "two", good, nil, "npm: left 2 files instead of one archive"},
		{"no archive", "ok", []byte(body), nil, "archive: gzip: invalid header"},
		{"traversal", "ok", with(entry{name: "package/../../evil"}), nil, `archive: unsafe file name "package/../../evil"`},
		{"link", "ok", with(entry{name: "package/l", kind: '2', link: "/etc/passwd"}), nil, `archive: member "package/l" is neither a file nor a folder`},
		{"no model", "ok", makeTar(t, goodPackage[:2]...), ErrNotFound, "not found: no GGUF file in the package"},
		{"two models", "ok", with(entry{name: "package/b.gguf"}), ErrReference, `several GGUF files, name one (it has b.gguf, m/tiny.gguf)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			installNpm(t, test.mode, test.data)
			_, err := s.Pull(t.Context(), "npm:tiny-model@1.0.0", nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v and %q", err, test.is, test.want)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error is not one clean line: %q", err)
			}
			if left := files(t, s.dir); len(left) != 0 {
				t.Errorf("files left: %v", left)
			}
		})
	}
	t.Run("no npm", func(t *testing.T) {
		s := newStore(t)
		_, err := s.Pull(t.Context(), npmRef, nil)
		if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, ErrNotFound) || !strings.Contains(e.Hint, "install npm") {
			t.Errorf("error %v", err)
		}
	})
}

// TestNetworkNpm fetches a small package with the real npm.
func TestNetworkNpm(t *testing.T) {
	if os.Getenv("MICA_TEST_NETWORK") == "" {
		t.Skip("set MICA_TEST_NETWORK=1 to fetch with npm")
	}
	path, home := os.Getenv("PATH"), os.Getenv("HOME")
	s := newStore(t)
	t.Setenv("PATH", path)
	t.Setenv("HOME", home)
	m, err := s.Pull(t.Context(), "npm:onnxjs@0.1.8/README.md", nil)
	// As npm pack, tar and sha256sum have it.
	if err != nil || m.License != "MIT" || m.Size != 10813 || m.Digest != "42bb485d1f48d4eb6a9b6f0859d011c47a86c66e669830b5d241ba38e3c7e014" {
		t.Errorf("%+v, %v", m, err)
	}
}
