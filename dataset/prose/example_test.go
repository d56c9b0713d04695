package prose_test

import (
	"fmt"

	"github.com/micaml/mica/dataset/prose"
)

func Example() {
	c, err := prose.Load(prose.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(c.Train) > len(c.Held), len(c.Digest))
	// Output: true 64
}
