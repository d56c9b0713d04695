package house

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/cli"
)

// pages are the files of docs/ with their text, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(names) < 5 {
		t.Fatalf("%d pages in docs: %v", len(names), err)
	}
	all := map[string]string{}
	for _, name := range names {
		all["docs/"+filepath.Base(name)] = read(t, name)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLinksOfDocsLeadSomewhere(t *testing.T) {
	index := read(t, filepath.Join(root, "docs", "README.md"))
	for file, text := range pages(t) {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, "docs", l[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		if name := filepath.Base(file); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md doesn't lead to %s", name)
		}
	}
}

// mica runs the command and returns what it writes.
func mica(t *testing.T, args ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// bare makes the command forget the settings of whoever runs the tests.
func bare(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "MICA_") {
			t.Setenv(name, "")
		}
	}
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData", "MICA_CACHE"} {
		t.Setenv(name, dir)
	}
}

func TestEverySettingIsExplained(t *testing.T) {
	bare(t)
	code, out, _ := mica(t, "env", "--json")
	var doc struct {
		Settings []struct{ Name, Flag string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 || len(doc.Settings) < 30 {
		t.Fatalf("mica env: code %d, %d settings, %v", code, len(doc.Settings), err)
	}
	text := read(t, filepath.Join(root, "docs", "env.md"))
	known := map[string]bool{}
	for _, s := range doc.Settings {
		known[s.Name] = true
		row := "`" + s.Name + "`"
		if s.Flag != "" {
			key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(s.Name, "MICA_")), "_", "-")
			row = "| " + row + " | `" + key + "` | `" + s.Flag + "` |"
		}
		if !strings.Contains(text, row) {
			t.Errorf("docs/env.md has no row for %s", row)
		}
	}
	for name := range variables(t) {
		known[name] = true
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/env.md doesn't name %s", name)
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`").FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("docs/env.md names %s, which nothing reads", m[1])
		}
	}
}

// ours is the name of a variable of mica.
var ours = regexp.MustCompile("^MICA_[A-Z_]+$")

// variables are those that the sources read by their name.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	eachFile(t, func(_, path string, _ []string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			reads := ok && (f.Sel.Name == "Getenv" || f.Sel.Name == "LookupEnv")
			for _, arg := range call.Args { // a name of ours may go through a function that reads it
				if s, ok := text(arg); ok && (reads || ours.MatchString(s)) {
					found[s] = true
				}
			}
			return true
		})
	})
	return found
}

// text is the value of a string as written in a program.
func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// The error lines of docs/errors.md are those of the sources, but for what
// differs from case to case.
func TestErrorsOfDocsExist(t *testing.T) {
	var all []string
	eachFile(t, func(_, path string, _ []string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if s, ok := text(e); ok {
					all = append(all, s)
				}
			}
			return true
		})
	})
	doc := read(t, filepath.Join(root, "docs", "errors.md"))
	_, table, found := strings.Cut(doc, "| error | why | what to do |")
	if !found {
		t.Fatal("docs/errors.md has no table of errors")
	}
	checked := 0
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			for _, part := range strings.Split(m[1], "...") {
				part = strings.Trim(part, " :,=")
				if len(part) < 4 {
					continue
				}
				checked++
				if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, part) }) {
					t.Errorf("docs/errors.md: no source says %q", part)
				}
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d error texts were found", checked)
	}
	bare(t)
	_, codes, _ := mica(t, "help", "exit-codes")
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) +(.+)$`).FindAllStringSubmatch(codes, -1) {
		if row := "| " + m[1] + " | " + m[2] + " |"; !strings.Contains(doc, row) {
			t.Errorf("docs/errors.md has no row %s", row)
		}
	}
}

// A command in docs/ means something: with a model that isn't there, that is
// all that is wrong with it.
func TestCommandsOfDocs(t *testing.T) {
	bare(t)
	commands := map[string]string{}
	for file, text := range pages(t) {
		for _, line := range strings.Split(text, "\n") {
			if c, ok := strings.CutPrefix(line, "    mica "); ok && strings.Contains(c, "smollm2") {
				commands[c] = file
			}
		}
	}
	if len(commands) < 10 {
		t.Fatalf("only %d commands found", len(commands))
	}
	t.Chdir(t.TempDir())
	for c, file := range commands {
		args := words(strings.ReplaceAll(c, "smollm2", "nosuch.gguf"))
		for i, a := range args {
			if a == "-f" {
				if err := os.WriteFile(args[i+1], []byte("text"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		code, _, errors := mica(t, args...)
		if code != 4 || !strings.Contains(errors, "nosuch.gguf: not found") {
			t.Errorf("%s: mica %s: exit code %d, %s", file, c, code, errors)
		}
	}
}

// words splits a command line as a shell does where nothing but double quotes
// is special.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|([^ ]+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

// Programs in README.md and docs/ that load a model are the Example of the
// root package, but for what it does about errors and with the answer.
func TestProgramsOfDocsAreCompiled(t *testing.T) {
	example := read(t, filepath.Join(root, "example_test.go"))
	all := pages(t)
	all["README.md"] = read(t, filepath.Join(root, "README.md"))
	programs := 0
	for file, text := range all {
		for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "mica.Load(") {
				continue
			}
			programs++
			for _, line := range strings.Split(m[1], "\n") {
				line, _, _ = strings.Cut(line, " //")
				line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "{"))
				if line == "" || line == "}" || strings.HasPrefix(line, "fmt.Print") {
					continue
				}
				if !strings.Contains(example, line) {
					t.Errorf("%s: example_test.go has no %q", file, line)
				}
			}
		}
	}
	if programs == 0 {
		t.Error("no program loads a model")
	}
}
