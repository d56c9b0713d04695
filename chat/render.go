package chat

import (
	"time"
)

// Message is one turn of a conversation. Templates see it as a map.
type Message struct {
	Role    string // system, user, assistant, tool ...
	Content string
	// Extra holds further fields (tool_calls, reasoning_content, name ...), as for Input.Vars. A field "content" here
	// replaces Content, for messages whose content is a list of parts. A field that is nil is left out, so that
	// "content": nil gives a message without content.
	Extra map[string]any
}

// Input is what a template is rendered with. Everything in it except BOS, EOS and Tokens counts as text from outside,
// never as control tokens; a role counts as the template's own text if it is one of the usual words.
type Input struct {
	Messages            []Message
	AddGenerationPrompt bool   // end with the opening of the assistant's turn
	BOS, EOS            string // the texts of the begin and end tokens, as bos_token and eos_token
	// Tokens are further control tokens by variable name, such as unk_token.
	Tokens map[string]string
	// Vars are further variables: tools, documents, enable_thinking ... Values are nil, bool, int, int64, float64,
	// string, []string, []any, map[string]any (its keys sorted), []map[string]any, or json.RawMessage, which keeps the
	// order of keys. As in transformers, tools and documents are none if not given.
	Vars map[string]any
	// Now is what strftime_now tells; zero is the present.
	Now time.Time
	// Limits bound the render; zero fields have the defaults.
	Limits Limits
}

// Limits bound what one render may use. Text costs a step per 128 bytes handled, so Steps bounds memory as well.
type Limits struct {
	Steps  int // default 1,000,000
	Output int // bytes of the output and of any string on the way; default 1 MiB
	Depth  int // macros and recursive loops within each other; default 64
}

func (l Limits) withDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = 1_000_000
	}
	if l.Output <= 0 {
		l.Output = 1 << 20
	}
	if l.Depth <= 0 {
		l.Depth = 64
	}
	return l
}

// Part is a run of output of one origin: Trusted is text that the template wrote, and the control tokens it was given;
// the rest is text from the conversation.
type Part struct {
	Text    string
	Trusted bool
}

// Render gives the prompt as one string. To tokenize it, use Segments instead: a string cannot say which "<|im_end|>"
// the template wrote and which a user did. Errors are of type [*Error].
func (t *Template) Render(in Input) (string, error) {
	out, err := t.run(in)
	return out.s, err
}

// Parts gives the prompt in pieces, neighbours of different origin, none empty.
func (t *Template) Parts(in Input) ([]Part, error) {
	out, err := t.run(in)
	if err != nil {
		return nil, err
	}
	var parts []Part
	out.each(func(s string, user bool) { parts = append(parts, Part{s, !user}) })
	return parts, nil
}

// roles are the words that may become part of a control token, as in '<|' + message.role + '|>'. Any other role is
// text from outside.
var roles = map[string]bool{
	"system": true, "developer": true, "user": true, "assistant": true, "tool": true, "function": true, "model": true,
	"ipython": true, "observation": true, "tool_response": true, "tool_call": true, "context": true, "document": true,
	"documents": true, "environment": true, "environment_proxy": true, "human": true, "bot": true, "critic": true,
	"control": true, "thinking": true, "latest_reminder": true, "SYSTEM": true, "USER": true, "ASSISTANT": true,
}

func (m Message) value() (value, error) {
	d := newDict()
	role := foreign(m.Role)
	role.user = !roles[m.Role]
	d.put("role", role)
	if _, given := m.Extra["content"]; !given {
		d.put("content", foreign(m.Content))
	}
	for _, k := range sortedKeys(m.Extra) {
		v, err := convert(m.Extra[k], 0)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue // as transformers does: many templates would print None
		}
		if err := d.set(foreign(k), v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// render is one run of a template.
type render struct {
	t      *Template
	now    time.Time
	limits Limits
	left   int // steps
	depth  int // calls within calls
}

func (t *Template) run(in Input) (text, error) {
	r := &render{t: t, now: in.Now, limits: in.Limits.withDefaults()}
	r.left = r.limits.Steps
	vars, err := r.variables(in)
	if err != nil {
		return text{}, errorAt(t.src, 0, err)
	}
	out := &builder{r: r}
	if _, err := r.block(t.body, &scope{parent: &scope{vars: vars}}, out); err != nil {
		return text{}, err
	}
	return out.text(), nil
}

func (r *render) variables(in Input) (map[string]value, error) {
	vars := map[string]value{
		"tools": nil, "documents": nil,
		"bos_token": lit(in.BOS), "eos_token": lit(in.EOS),
		"add_generation_prompt": in.AddGenerationPrompt,
	}
	for n, f := range functions {
		vars[n] = f
	}
	for n, s := range in.Tokens {
		vars[n] = lit(s)
	}
	for n, v := range in.Vars {
		x, err := convert(v, 0)
		if err != nil {
			return nil, &varError{n, err}
		}
		vars[n] = x
	}
	msgs := make([]value, len(in.Messages))
	for i, m := range in.Messages {
		var err error
		if msgs[i], err = m.value(); err != nil {
			return nil, &varError{"messages", err}
		}
	}
	vars["messages"] = newList(msgs)
	return vars, nil
}

type varError struct {
	name string
	err  error
}

func (e *varError) Error() string { return "variable " + e.name + ": " + e.err.Error() }
func (e *varError) Unwrap() error { return e.err }

// step uses up n+1 steps.
func (r *render) step(n int) error {
	if r.left -= n + 1; r.left < 0 || n < 0 {
		r.left = 0
		return limitf("more than %d steps", r.limits.Steps)
	}
	return nil
}

// charge accounts for n bytes handled.
func (r *render) charge(n int) error { return r.step(n / 128) }

// room checks that n bytes may be added to a string of have, and charges for them.
func (r *render) room(have, n int) error {
	if n > r.limits.Output-have {
		return limitf("text longer than %d bytes", r.limits.Output)
	}
	return r.charge(n)
}

// scope is the variables of a block; blocks within see those outside and set their own.
type scope struct {
	vars   map[string]value
	parent *scope
}

func (s *scope) get(n string) (value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[n]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(n string, v value) {
	if s.vars == nil {
		s.vars = map[string]value{}
	}
	s.vars[n] = v
}
