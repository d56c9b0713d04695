package recipe_test

import (
	"context"
	"fmt"
	"os"

	"github.com/micaml/mica/recipe"
)

// A perceptron learns to tell four clouds of points.
func Example() {
	const text = `{
		"network": {"kind": "mlp", "hidden": [16]},
		"data": {"kind": "generated", "what": "blobs", "examples": 512},
		"rate": "cosine:peak=0.01",
		"steps": 100
	}`
	r, err := recipe.Parse([]byte(text), "steps=150")
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := recipe.Build(r, recipe.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer job.Close()
	folder, err := os.MkdirTemp("", "recipe")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	run, err := job.Start(folder, recipe.Watch{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer run.Close()
	ctx := context.Background()
	if err := run.Run(ctx); err != nil { // on Ctrl-C it saves; Resume goes on from there
		fmt.Println(err)
		return
	}
	out, err := run.Finish(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Steps, out.Held["accuracy"] > 0.95, out.Files)
	// Output: 150 true [metrics.jsonl metrics.csv curve.svg recipe.json model.safetensors]
}
