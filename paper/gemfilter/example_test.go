package gemfilter_test

import (
	"fmt"

	"github.com/micaml/mica/paper/gemfilter"
)

// The claims stand before the run. Those with a reason can't be shown at this
// scale.
func Example() {
	for _, c := range gemfilter.Experiment.Claims[:3] {
		fmt.Println(c.ID, c.Why == "")
	}
	// Output:
	// identity true
	// kv-bytes true
	// distance true
}
