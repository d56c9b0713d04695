package reading_test

import (
	"fmt"

	"github.com/micaml/mica/dataset/reading"
)

func Example() {
	g, err := reading.New([]string{"The rays of light are bent in glass. Why they are, nobody knew."}, reading.Options{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := g.Make(reading.Single, 0, 100, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(d.Turns), len(d.Hidden))
	// Output: 1 1
}
