package elr_test

import (
	"fmt"

	"github.com/micaml/mica/paper/elr"
)

// The claims stand before any run.
func Example() {
	for _, c := range elr.Experiment.Claims[:3] {
		fmt.Println(c.ID, c.Exact)
	}
	// Output:
	// lambda-0 true
	// linear-early false
	// linear-elr false
}
