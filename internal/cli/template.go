package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/micaml/mica/chat"
)

var templateVerb = verb{
	name: "template", args: "MODEL", maxArgs: 1,
	short: "show a chat template, or what it makes of a conversation",
	long: `template shows the chat template of a model, the program (Jinja2) that turns a
conversation into a prompt. With -f it runs the template on a conversation and
writes the prompt: a JSON list of messages, or an object with messages, tools and
whatever else the template knows, as for transformers' apply_chat_template.
add_generation_prompt is true unless the object says otherwise.

--verbose puts «» around text that came from the conversation. Such text never
becomes a control token, whatever it looks like.`,
	example: `  mica template smollm2
  mica template smollm2 -f messages.json --verbose
  echo '[{"role": "user", "content": "Hello"}]' | mica template smollm2 -f -`,
	flags: []string{"model", "conversation", "mark"},
	run:   runTemplate,
}

// rendered is the document of template --json. Without a conversation it has
// the template only.
type rendered struct {
	head
	Template string       `json:"template"`
	Text     *string      `json:"text,omitempty"`
	Parts    []promptPart `json:"parts,omitempty"`
	TokenIDs []int32      `json:"token_ids,omitempty"`
}

// promptPart is text of one origin.
type promptPart struct {
	Text string `json:"text"`
	From string `json:"from"` // "template" or "conversation"
}

func runTemplate(ctx context.Context, c *call) error {
	if _, err := c.modelName(); err != nil {
		return err
	}
	var in *chat.Input
	if name := c.set.conversation; name != "" {
		var err error
		if in, err = c.readConversation(ctx, name); err != nil {
			return err
		}
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Template == nil {
		return missing("the model continues text: `mica run --raw`", "%s: no chat template", m.file.Name)
	}
	doc := rendered{Template: m.Template.Source()}
	if in != nil {
		if err := doc.render(m, in); err != nil {
			return failed("change the conversation; `mica template "+quoted(m.file.Name)+"` shows what the template wants", "chat template: %w", err)
		}
	}
	if c.set.json {
		digest, err := m.digest()
		if err != nil {
			return err
		}
		doc.head = c.head(digest)
		return c.printJSON(doc)
	}
	text := doc.Template
	if in != nil {
		text = c.promptText(&doc)
	}
	if c.outTTY > 0 && !strings.HasSuffix(text, "\n") || in == nil {
		text += "\n"
	}
	_, err = io.WriteString(c.out, text)
	return err
}

// render fills in what the template makes of a conversation.
func (r *rendered) render(m *model, in *chat.Input) error {
	in.BOS, _ = m.Tokenizer.Piece(m.Tokenizer.BOS())
	in.EOS, _ = m.Tokenizer.Piece(m.Tokenizer.EOS())
	parts, err := m.Template.Parts(*in)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, p := range parts {
		from := "conversation"
		if p.Trusted {
			from = "template"
		}
		r.Parts = append(r.Parts, promptPart{p.Text, from})
		text.WriteString(p.Text)
	}
	s := text.String()
	r.Text = &s
	r.TokenIDs, err = m.Prompt(*in)
	return err
}

// promptText is the prompt as it is, or marked.
func (c *call) promptText(doc *rendered) string {
	clean := func(s string) string { return s }
	if c.outTTY > 0 {
		clean = harmless
	}
	var b strings.Builder
	for _, p := range doc.Parts {
		text := clean(p.Text)
		if c.set.mark && p.From == "conversation" {
			text = paint(c.colorOut, yellow, "«"+text+"»")
		}
		b.WriteString(text)
	}
	if c.set.mark {
		c.note("«» is from the conversation, the rest from the template; %s tokens", count(len(doc.TokenIDs)))
	}
	return b.String()
}

// readConversation reads a JSON list of messages, or an object that has one.
func (c *call) readConversation(ctx context.Context, name string) (*chat.Input, error) {
	read := readText
	if name == "-" {
		name = "standard input"
		read = func(ctx context.Context, _ string) (string, error) { return c.readStdin(ctx) }
	}
	text, err := read(ctx, name)
	if err != nil {
		return nil, err
	}
	in, err := parseConversation([]byte(text))
	if err != nil {
		return nil, usage(`give messages such as [{"role": "user", "content": "Hello"}]`, "%s: %w", name, err)
	}
	return in, nil
}

func parseConversation(b []byte) (*chat.Input, error) {
	in := &chat.Input{AddGenerationPrompt: true, Vars: map[string]any{}}
	fields := map[string]json.RawMessage{"messages": b}
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return nil, errors.New("is empty")
	}
	if b[0] == '{' {
		fields = nil
		if err := json.Unmarshal(b, &fields); err != nil {
			return nil, err
		}
	}
	var messages []map[string]json.RawMessage
	raw, ok := fields["messages"]
	if !ok {
		return nil, errors.New("messages: missing")
	}
	if err := json.Unmarshal(raw, &messages); err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	for i, m := range messages {
		msg, err := parseMessage(m)
		if err != nil {
			return nil, fmt.Errorf("messages[%d].%w", i, err)
		}
		in.Messages = append(in.Messages, msg)
	}
	for k, v := range fields {
		switch k {
		case "messages":
		case "add_generation_prompt":
			if err := json.Unmarshal(v, &in.AddGenerationPrompt); err != nil {
				return nil, fmt.Errorf("%s: not true or false", k)
			}
		default:
			in.Vars[k] = v
		}
	}
	return in, nil
}

// parseMessage takes the role and a plain content for themselves; everything
// else, such as a content of several parts, is the template's to understand.
func parseMessage(fields map[string]json.RawMessage) (chat.Message, error) {
	m := chat.Message{Extra: map[string]any{}}
	for k, v := range fields {
		isText := len(v) > 0 && v[0] == '"'
		switch {
		case k == "role" && isText:
			if err := json.Unmarshal(v, &m.Role); err != nil {
				return m, fmt.Errorf("role: %w", err)
			}
		case k == "content" && isText:
			if err := json.Unmarshal(v, &m.Content); err != nil {
				return m, fmt.Errorf("content: %w", err)
			}
		case k == "role":
			return m, errors.New("role: not a text")
		default:
			m.Extra[k] = v
		}
	}
	if m.Role == "" {
		return m, errors.New("role: missing")
	}
	if _, ok := fields["content"]; !ok {
		m.Extra["content"] = nil // the template sees no content, and not an empty one
	}
	return m, nil
}
