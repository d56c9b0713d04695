package house

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// hop is "`file.go` `Name`" in ARCHITECTURE.md.
var hop = regexp.MustCompile("`([a-z_/0-9]+\\.go)`\\s+`([A-Za-z]+)`")

func TestArchitectureNamesWhatExists(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	hops := hop.FindAllSubmatch(doc, -1)
	if len(hops) < 20 {
		t.Fatalf("only %d hops found", len(hops))
	}
	for _, h := range hops {
		file, name := string(h[1]), string(h[2])
		src, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		decl := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + name + `\b`)
		if !decl.Match(src) {
			t.Errorf("%s doesn't declare %s", file, name)
		}
	}
}

// link is a relative link in a Markdown file.
var link = regexp.MustCompile(`\]\(([a-zA-Z0-9_./-]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, file := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		doc, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range link.FindAllSubmatch(doc, -1) {
			if _, err := os.Stat(filepath.Join(root, string(l[1]))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
