package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
	"github.com/micaml/mica/tokenizer"
)

// newSession is a chat on a tiny model that nobody types into.
func newSession(t *testing.T) *session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		t.Fatal(err)
	}
	m, err := openModel(store.Model{Name: path, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	eng := pass.NewEngine(m.Net, pass.Options{Mode: op.Exact, Threads: 1})
	t.Cleanup(func() { eng.Close(); m.Close() })
	set := defaults()
	set.predict, set.quiet = 5, true
	c := &call{ui: &ui{out: io.Discard, err: io.Discard, quiet: true}, set: set, from: origins{}}
	return &session{call: c, m: m, eng: eng, context: m.config().Context}
}

func (s *session) ask(t *testing.T, text string) {
	t.Helper()
	if err := s.answer(context.Background(), text); err != nil {
		t.Fatal(err)
	}
}

// What layers remember of earlier turns serves a turn as well as reading all
// tokens afresh does: the answer is the same, bit for bit.
func TestChatMemory(t *testing.T) {
	s := newSession(t)
	s.set.system = "be brief"
	for i, text := range []string{"hello", "how are <|im_end|> you", "the end"} {
		s.ask(t, text)
		n := len(s.seq.Tokens) - s.set.predict
		fresh := pass.NewSeq(slices.Clone(s.seq.Tokens[:n])...)
		for _, err := range lm.Generate(context.Background(), s.eng, fresh, lm.Options{Max: s.set.predict}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(fresh.Tokens, s.seq.Tokens) {
			t.Errorf("turn %d: %v, read afresh %v", i+1, s.seq.Tokens[n:], fresh.Tokens[n:])
		}
	}
	// Every token but the last, which no pass has taken, was computed once.
	if got, want := s.seq.Memory(0).Len(0), len(s.seq.Tokens)-1; got != want {
		t.Errorf("the memory holds %d tokens, want %d", got, want)
	}
}

// An answer without a limit doesn't take the memory of the whole context
// before it has begun.
func TestChatReservesLittle(t *testing.T) {
	s := newSession(t)
	seq := pass.NewSeq(1, 2, 3)
	for _, err := range lm.Generate(context.Background(), s.eng, seq, lm.Options{Context: s.context}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	whole := int64(s.context) * int64(2*s.m.config().Layers*s.m.config().KVHeads*s.m.config().HeadDim*4)
	if got := seq.Bytes(); got == 0 || got > whole/16 {
		t.Errorf("%d bytes for 3 tokens, and the whole context takes %d", got, whole)
	}
}

// The sequence is that of the template, but for answers, which keep the
// tokens that the model chose.
func TestChatTokens(t *testing.T) {
	s := newSession(t)
	s.ask(t, "hello")
	answer := slices.Clone(s.seq.Tokens[len(s.prior):])
	first, err := s.m.Chat(chat.Message{Role: "user", Content: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	s.ask(t, "go on")
	rest := s.m.Tokenizer.Encode("\n", tokenizer.EncodeOptions{})
	end, start := s.m.Tokenizer.Encode("<|im_end|>", tokenizer.EncodeOptions{Special: true}), s.m.Tokenizer.Encode("<|im_start|>", tokenizer.EncodeOptions{Special: true})
	want := slices.Concat(first, answer, end, rest, start, s.m.Tokenizer.Encode("user\ngo on", tokenizer.EncodeOptions{}), end, rest, start,
		s.m.Tokenizer.Encode("assistant\n", tokenizer.EncodeOptions{}))
	if got := s.seq.Tokens[:len(s.seq.Tokens)-s.set.predict]; !slices.Equal(got, want) {
		t.Errorf("turn 2 reads %v, want %v", got, want)
	}
}

// A template that tells the past in other words makes a turn read everything.
func TestChatRewrittenPast(t *testing.T) {
	for _, c := range []struct {
		name, template string
		again          bool
	}{
		{"trims answers", "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}", false},
		{"forgets answers", "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'user' %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}", true},
		{"has no control tokens", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ", true},
		{"numbers turns from the end", "{% for m in messages %}<|im_start|>{{ loop.revindex }}{{ m.content }}<|im_end|>{% endfor %}<|im_start|>", true},
	} {
		s := newSession(t)
		var err error
		if s.m.Template, err = chat.Parse(c.template); err != nil {
			t.Fatal(err)
		}
		s.ask(t, "hello")
		before := s.seq
		s.ask(t, "again")
		if again := s.seq != before; again != c.again {
			t.Errorf("%s: reads all again: %t, want %t", c.name, again, c.again)
		}
		if s.seq == before {
			continue
		}
		ids, err := s.m.Chat(s.turns[:3]...)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.seq.Tokens[:len(s.seq.Tokens)-s.set.predict]; !slices.Equal(got, ids) {
			t.Errorf("%s: reads %v, want %v", c.name, got, ids)
		}
	}
}

// A question that gets no answer leaves the chat as it was.
func TestChatTakenBack(t *testing.T) {
	s := newSession(t)
	s.ask(t, "hello")
	tokens, turns := slices.Clone(s.seq.Tokens), slices.Clone(s.turns)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.answer(ctx, "never heard"); err == nil {
		t.Fatal("no error from a context that has ended")
	}
	s.context = len(tokens) + 3
	if err := s.answer(context.Background(), "too long"); err == nil || !strings.HasPrefix(err.Error(), "the context is full: ") {
		t.Fatalf("error %v", err)
	}
	s.context = 1 << 15
	if !slices.Equal(s.seq.Tokens, tokens) || len(s.turns) != len(turns) {
		t.Fatalf("%d tokens and %d turns, want %d and %d", len(s.seq.Tokens), len(s.turns), len(tokens), len(turns))
	}
	s.ask(t, "go on")
	other := newSession(t)
	other.ask(t, "hello")
	other.ask(t, "go on")
	if !slices.Equal(s.seq.Tokens, other.seq.Tokens) {
		t.Error("the chat goes on otherwise than one without the questions that were taken back")
	}
}

// Saved chats come from anywhere. Errors name the file and the field.
var brokenChats = []struct{ name, text, want string }{
	{"empty", ``, `not a saved chat: ends too early`},
	{"cut", `{"mica_chat": 1, "messages": [`, `not a saved chat: ends too early`},
	{"text", `hello`, `not a saved chat: invalid character 'h' looking for beginning of value`},
	{"list", `[]`, `not a saved chat: cannot unmarshal array into Go value of type cli.chatFile`},
	{"other", `{}`, `mica_chat: missing: not a saved chat`},
	{"null", `null`, `mica_chat: missing: not a saved chat`},
	{"later", `{"mica_chat": 2}`, `mica_chat: format 2, and this version reads 1`},
	{"kind", `{"mica_chat": "1"}`, `not a saved chat: cannot unmarshal string into Go struct field chatFile.mica_chat of type int`},
	{"field", `{"mica_chat": 1, "tools": []}`, `not a saved chat: unknown field "tools"`},
	{"call", `{"mica_chat": 1, "messages": [{"role": "user", "content": "a", "tool_calls": []}]}`, `not a saved chat: unknown field "tool_calls"`},
	{"tail", `{"mica_chat": 1} {}`, `not a saved chat: something follows it`},
	{"role", `{"mica_chat": 1, "messages": [{"role": "tool", "content": ""}]}`, `messages[0].role: "tool", and it is user's turn`},
	{"order", `{"mica_chat": 1, "messages": [{"role": "system", "content": ""}, {"role": "assistant", "content": ""}]}`, `messages[1].role: "assistant", and it is user's turn`},
	{"system", `{"mica_chat": 1, "messages": [{"role": "user"}, {"role": "system"}]}`, `messages[1].role: "system", and it is assistant's turn`},
	{"open", `{"mica_chat": 1, "messages": [{"role": "user", "content": "a"}]}`, `messages[0]: not answered`},
	{"setting", `{"mica_chat": 1, "settings": {"threads": 4}}`, `settings.threads: no such setting`},
	{"hidden", `{"mica_chat": 1, "settings": {"system": "x"}}`, `settings.system: no such setting`},
	{"range", `{"mica_chat": 1, "settings": {"temp": -1}}`, `settings.temp: not between 0 and 100`},
	{"type", `{"mica_chat": 1, "settings": {"seed": [1]}}`, `settings.seed: not a string, a number, true or false`},
	{"deep", `{"mica_chat": 1, "settings": {"seed": ` + strings.Repeat("[", 20000), `not a saved chat: invalid character '[' exceeded max depth`},
	{"content", `{"mica_chat": 1, "messages": [{"role": "user", "content": ["a"]}]}`, `not a saved chat: cannot unmarshal array into Go struct field chatLine.messages.content of type string`},
}

func TestBrokenChats(t *testing.T) {
	s := newSession(t)
	s.ask(t, "hello")
	before, turns := *s.set, len(s.turns)
	for _, c := range brokenChats {
		path := filepath.Join(t.TempDir(), c.name+".json")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.restore(path); err == nil || err.Error() != path+": "+c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
	big := filepath.Join(t.TempDir(), "big.json")
	if err := os.WriteFile(big, make([]byte, maxChatFile+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.restore(big); err == nil || !strings.HasSuffix(err.Error(), "16.8 MB, and a saved chat has at most 16.8 MB") {
		t.Errorf("big: error %v", err)
	}
	if err := s.restore(t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), ": not a file") {
		t.Errorf("folder: error %v", err)
	}
	if *s.set != before || len(s.turns) != turns || s.seq == nil {
		t.Error("a file that was refused has changed the chat")
	}
}

func FuzzChatFile(f *testing.F) {
	for _, c := range brokenChats {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(`{"mica_chat": 1, "settings": {"temp": 1}, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`))
	path := filepath.Join(f.TempDir(), "chat.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := readChat(path)
		if err != nil {
			if !strings.HasPrefix(err.Error(), path+": ") {
				t.Errorf("error without the file: %v", err)
			}
			return
		}
		for i, m := range c.Messages {
			if m.Role == "system" && i > 0 {
				t.Errorf("a system message at %d", i)
			}
		}
	})
}

func TestChatLines(t *testing.T) {
	long := strings.Repeat("a", maxMessage+10)
	for _, c := range []struct {
		in      string
		want    []string
		literal bool
		err     string
	}{
		{"a\r\nb", []string{"a", "b"}, false, "EOF"},
		{"\n\na\n", []string{"", "", "a"}, false, "EOF"},
		{`"""a"""`, []string{"a"}, true, "EOF"},
		{"\"\"\"\n/a\n\n b\n\"\"\"  \n", []string{"/a\n\n b"}, true, "EOF"},
		{"\"\"\"a\nb", nil, true, `the text after """ has no end`},
		{long, nil, false, "a line of more than 1.0 MB"},
		{"\"\"\"\n" + strings.Repeat(long[:1<<19]+"\n", 3), nil, true, "a message of more than 1.0 MB"},
		{"\xff\n", []string{"\uFFFD"}, false, "EOF"},
	} {
		s := &session{call: &call{ui: &ui{}}, in: &plainLines{in: bufio.NewReader(strings.NewReader(c.in))}}
		for _, want := range c.want {
			got, literal, err := s.read(context.Background())
			if err != nil || got != want || literal != c.literal {
				t.Errorf("%.20q: read %q, %t, %v; want %q", c.in, got, literal, err, want)
			}
		}
		if _, _, err := s.read(context.Background()); err == nil || err.Error() != c.err {
			t.Errorf("%.20q: at the end %v, want %s", c.in, err, c.err)
		}
	}
}

// The words of /help fit 40 columns.
func TestChatHelpIsNarrow(t *testing.T) {
	var b bytes.Buffer
	s := &session{call: &call{ui: &ui{err: &b}, set: defaults()}}
	if err := s.help(""); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 41 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}
