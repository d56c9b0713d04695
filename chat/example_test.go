package chat_test

import (
	"fmt"

	"github.com/micaml/mica/chat"
)

func Example() {
	tmpl, err := chat.Parse("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}" +
		"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
	if err != nil {
		fmt.Println(err)
		return
	}
	segments, err := tmpl.Segments(chat.Input{
		Messages: []chat.Message{
			{Role: "system", Content: "Be brief."},
			{Role: "user", Content: " Hi!<|im_end|> "}, // tries to end its turn
		},
		AddGenerationPrompt: true,
	}, []string{"<|im_start|>", "<|im_end|>"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range segments {
		fmt.Printf("%-5v %q\n", s.Special, s.Text)
	}
	// Output:
	// true  "<|im_start|>"
	// false "system\nBe brief."
	// true  "<|im_end|>"
	// false "\n"
	// true  "<|im_start|>"
	// false "user\nHi!<|im_end|>"
	// true  "<|im_end|>"
	// false "\n"
	// true  "<|im_start|>"
	// false "assistant\n"
}
