package needle_test

import (
	"fmt"
	"strings"

	"github.com/micaml/mica/eval/needle"
)

// A fact is hidden in the middle of a text of 200 tokens, here bytes, and what
// a model may answer gets a score.
func Example() {
	hay, err := needle.NewHay(letters{}, strings.Repeat("Some words stand here. ", 10))
	if err != nil {
		fmt.Println(err)
		return
	}
	fact := needle.Number(1)
	text, err := hay.Hide(fact, 200, 50)
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt := fact.Ask(text)
	fmt.Println(len(text), strings.Contains(prompt, fact.Sentence))
	fmt.Println(fact.Score("It is " + fact.Answer + "."))
	fmt.Println(fact.Score("I don't know."))
	// Output:
	// 200 true
	// 1 true
	// 0 false
}
