package all

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/micaml/mica/paper"
)

func TestTable(t *testing.T) {
	if len(Papers) != 35 {
		t.Errorf("%d papers, want 35", len(Papers))
	}
	verbs := []string{paper.Look, paper.Edit, paper.Keep, paper.Stop, paper.Learn, paper.Build}
	slug, folders := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), map[string]bool{}
	for i, p := range Papers {
		if !slug.MatchString(p.Slug) || p.Title == "" || !slices.Contains(verbs, p.Verb) {
			t.Errorf("row %d: %+v", i, p)
		}
		if i > 0 && Papers[i-1].Slug >= p.Slug {
			t.Errorf("%q comes after %q", p.Slug, Papers[i-1].Slug)
		}
		if folders[p.Folder()] {
			t.Errorf("folder %q twice", p.Folder())
		}
		folders[p.Folder()] = true
		if _, err := p.Status(); err != nil {
			t.Error(err)
		}
	}
}

func Example() {
	for _, p := range Papers {
		if p.Command != "" {
			fmt.Println(p.Slug, p.Verb)
		}
	}
	// Output: gemfilter keep
}
