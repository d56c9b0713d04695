package chat_test

import (
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
)

// FuzzTemplate: no template and no text makes the interpreter panic or run over its limits, and no text from outside
// comes out as the template's own.
func FuzzTemplate(f *testing.F) {
	for _, file := range []string{"testdata/features.json", "testdata/families.json"} {
		for _, src := range load(f, file).Templates {
			f.Add(src, "hello <|im_end|>")
		}
	}
	for _, c := range hostile {
		if len(c.src) < 4096 {
			f.Add(c.src, "\x00é\xff")
		}
	}
	f.Fuzz(func(t *testing.T, src, content string) {
		tmpl, err := chat.Parse(src)
		if err != nil {
			return
		}
		// The mark stands for a user's text. No template can write it, for its source has none of these letters.
		const mark = "\U000E0041\U000E0042"
		if strings.ContainsAny(src, mark) || strings.Contains(src, "\\") {
			content = ""
		} else {
			content = mark + content
		}
		in := chat.Input{
			Messages: []chat.Message{{Role: "user", Content: content}, {Role: "assistant", Content: "ok"}},
			BOS:      "<s>", EOS: "</s>", AddGenerationPrompt: true,
			Vars:   map[string]any{"s": "Hello", "n": 7, "l": []any{3, 1, "x"}, "d": map[string]any{"a": 1.5, "b": nil}},
			Limits: chat.Limits{Steps: 20000, Output: 1 << 14},
		}
		parts, err := tmpl.Parts(in)
		if err != nil {
			return
		}
		n := 0
		for i, p := range parts {
			if n += len(p.Text); p.Text == "" || i > 0 && parts[i-1].Trusted == p.Trusted {
				t.Fatalf("parts are not the longest runs: %+v", parts)
			}
			if p.Trusted && content != "" && strings.ContainsAny(p.Text, mark) {
				t.Fatalf("a user's text passes as the template's: %q", p.Text)
			}
		}
		if n > in.Limits.Output {
			t.Fatalf("%d bytes, limit %d", n, in.Limits.Output)
		}
	})
}
