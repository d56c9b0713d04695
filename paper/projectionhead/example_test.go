package projectionhead_test

import (
	"fmt"

	"github.com/micaml/mica/paper/projectionhead"
)

// The claims stand before any run.
func Example() {
	for _, c := range projectionhead.Experiment.Claims[:3] {
		fmt.Println(c.ID, c.Exact)
	}
	// Output:
	// heads-exact true
	// linear-end false
	// linear-first false
}
