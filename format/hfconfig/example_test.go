package hfconfig_test

import (
	"fmt"

	"github.com/micaml/mica/format/hfconfig"
)

// Read what a loader asks for, also from a nested object.
func Example() {
	c, err := hfconfig.Parse([]byte(`{
		"model_type": "qwen3",
		"hidden_size": 1024,
		"rope_scaling": {"rope_type": "yarn", "factor": 4},
		"sliding_window": null
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	kind, _ := c.String("model_type")
	width, _ := c.Uint("hidden_size")
	factor, _ := c.Float("rope_scaling.factor")
	fmt.Println(kind, width, factor, c.Has("sliding_window"))

	_, err = c.Bool("hidden_size")
	fmt.Println(err)
	// Output:
	// qwen3 1024 4 false
	// hfconfig: key "hidden_size": is the number 1024, want a bool
}
