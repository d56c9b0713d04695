package cli

import (
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
)

// Conversations come from anywhere. Errors name the field.
var brokenConversations = []struct{ text, want string }{
	{" \n", "is empty"},
	{"hello", "messages: invalid character 'h' looking for beginning of value"},
	{"3", "messages: json: cannot unmarshal number into Go value of type []map[string]json.RawMessage"},
	{`{"messages": {}}`, "messages: json: cannot unmarshal object into Go value of type []map[string]json.RawMessage"},
	{`{"message": []}`, "messages: missing"},
	{`{"messages": [`, "unexpected end of JSON input"},
	{`[{"role": "user", "content": "a"}, 5]`, "messages: json: cannot unmarshal number into Go value of type map[string]json.RawMessage"},
	{`[{"role": "user", "content": "a"}, {"content": "b"}]`, "messages[1].role: missing"},
	{`[{"role": ["user"]}]`, "messages[0].role: not a text"},
	{`[null]`, "messages[0].role: missing"},
	{`{"messages": [], "add_generation_prompt": 1}`, "add_generation_prompt: not true or false"},
	{strings.Repeat("[", 20000), "messages: invalid character '[' exceeded max depth"},
}

func TestBrokenConversations(t *testing.T) {
	for _, c := range brokenConversations {
		if in, err := parseConversation([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%.40q: %+v, error %v, want %s", c.text, in, err, c.want)
		}
	}
}

// What is not a plain role and content reaches the template as it is.
func TestConversationExtras(t *testing.T) {
	tmpl, err := chat.Parse("{% for m in messages %}[{{ m.role }} {{ m.content is defined }} {{ m.content is string }} {{ m.calls | tojson }}]{% endfor %}{{ tools | tojson }}{{ add_generation_prompt }}{{ n }}")
	if err != nil {
		t.Fatal(err)
	}
	in, err := parseConversation([]byte(`{"messages": [{"role": "user", "content": "é", "calls": []},
		{"role": "assistant", "calls": [{"z": 1, "a": "b", "c": null}]}, {"role": "tool", "content": [{"type": "text"}], "calls": 2}],
		"tools": [{"y": 1, "x": {}}], "add_generation_prompt": false, "n": 7}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Render(*in)
	// By Jinja2 3.1.6 with the same values.
	want := `[user True True []][assistant False False [{"z": 1, "a": "b", "c": null}]][tool True False 2][{"y": 1, "x": {}}]False7`
	if err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func FuzzConversation(f *testing.F) {
	for _, c := range brokenConversations {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(`{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}], "x": {"y": [1, null]}}], "tools": null}`))
	tmpl, err := chat.Parse("{% for m in messages %}{{ m.role }}{{ m | tojson }}{% endfor %}{{ tools | tojson }}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := parseConversation(b)
		if err != nil {
			return
		}
		for i, m := range in.Messages {
			if m.Role == "" {
				t.Errorf("message %d has no role", i)
			}
		}
		_, _ = tmpl.Segments(*in, []string{"<|im_end|>"}) // errors are fine, panics are not
	})
}
