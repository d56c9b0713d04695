package house

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every public package says what it is for, and has an Example. A paper's is its
// command, and bench is a program.
func TestPackagesAreExplained(t *testing.T) {
	documented := map[string]bool{}
	eachFile(t, func(dir, path string, _ []string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		name := file.Name.Name
		if strings.HasPrefix(dir, "internal/") || strings.HasPrefix(dir, "paper/") || strings.HasPrefix(dir, "bench/") || name == "main" {
			return
		}
		if d := file.Doc.Text(); strings.HasPrefix(d, "Package "+name+" ") {
			documented[dir] = true
		} else if !documented[dir] {
			documented[dir] = false
		}
	})
	example := regexp.MustCompile(`(?m)^func Example[A-Z_a-z0-9]*\(\)`)
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no comment says what the package is for", dir)
		}
		tests, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(tests, func(path string) bool {
			b, err := os.ReadFile(path)
			return err == nil && example.Match(b)
		}) {
			t.Errorf("%s: no Example", dir)
		}
	}
}
