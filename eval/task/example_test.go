package task_test

import (
	"fmt"
	"strings"

	"github.com/micaml/mica/eval/task"
)

func Example() {
	items, err := task.Read(strings.NewReader(`{"prompt": "What is the capital of France?", "answer": "Paris"}
{"prompt": "The capital of France is", "choices": ["Rome", "Paris"], "answer": 1}`))
	if err != nil {
		panic(err)
	}
	said := "It is Paris."
	fmt.Println(items[0].Exact(said), items[0].Contains(said))
	best, byLength := task.Best(items[1].Choices, []float64{-9.1, -4.2}) // log-likelihoods, from a model
	fmt.Println(best == items[1].Right, byLength == items[1].Right)
	// Output:
	// false true
	// true true
}
