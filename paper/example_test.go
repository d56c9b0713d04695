package paper_test

import (
	"fmt"

	"github.com/micaml/mica/paper"
)

func Example() {
	p := paper.Paper{Slug: "patch-mixing", Verb: paper.Learn}
	s, err := p.Status()
	fmt.Println(p.Folder(), s.State, err)
	// Output: patchmixing missing <nil>
}
