package kerneltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// The two tables that each kernel family's tests have: package-level maps from
// the pattern (path.Match) of assembly functions to the test that covers them.
// The family's tests range over them, so a name in a table is a test that runs.
const (
	guardTable = "guardTests" // operands at unreadable pages
	twinTable  = "twinTests"  // the same bits as the plain-Go twin
)

var textSymbol = regexp.MustCompile(`(?m)^TEXT\s+[^\s(]*·(\w+)(?:<>)?\(SB\)`)

// TestEveryAssemblyFunctionIsCovered fails when an assembly function under
// internal/kernel is in neither of its family's tables, and when a table names
// what is not there.
func TestEveryAssemblyFunctionIsCovered(t *testing.T) {
	files, err := filepath.Glob("../kernel/*/*_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	families := map[string][]string{} // folder -> assembly functions
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range textSymbol.FindAllSubmatch(text, -1) {
			dir := filepath.Dir(f)
			families[dir] = append(families[dir], string(m[1]))
		}
	}
	if len(families) == 0 {
		t.Fatal("no assembly found under ../kernel")
	}
	for _, dir := range slices.Sorted(maps.Keys(families)) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			for _, table := range []string{guardTable, twinTable} {
				patterns := tableKeys(t, dir, table)
				var missing []string
				for _, fn := range families[dir] {
					if !slices.ContainsFunc(patterns, func(p string) bool { return matches(t, p, fn) }) {
						missing = append(missing, fn)
					}
				}
				if len(missing) > 0 {
					t.Errorf("%s: assembly functions that are not in %s: %v", dir, table, missing)
				}
				for _, p := range patterns {
					if !slices.ContainsFunc(families[dir], func(fn string) bool { return matches(t, p, fn) }) {
						t.Errorf("%s: %s names %s, which is no assembly function", dir, table, p)
					}
				}
			}
		})
	}
}

func matches(t *testing.T, pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	if err != nil {
		t.Fatalf("pattern %q: %v", pattern, err)
	}
	return ok
}

// tableKeys returns the string keys of the package-level map literal called
// table in the test files of dir.
func tableKeys(t *testing.T, dir, table string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != 1 || spec.Names[0].Name != table || len(spec.Values) != 1 {
				return true
			}
			lit, ok := spec.Values[0].(*ast.CompositeLit)
			if !ok {
				return true
			}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if b, ok := kv.Key.(*ast.BasicLit); ok && b.Kind == token.STRING {
						s, err := strconv.Unquote(b.Value)
						if err != nil {
							t.Fatal(err)
						}
						keys = append(keys, s)
					}
				}
			}
			return false
		})
	}
	return keys
}
