package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/pass"
)

var chatVerb = verb{
	name: "chat", args: "[MODEL]", maxArgs: 1,
	short: "talk with a model, turn by turn",
	long: `chat reads one line after the other and answers each. The model remembers what
was said: the keys and values of earlier turns stay in memory, and a turn costs
its own tokens only (-v shows how many). With --cache METHOD layers forget part of
what the chat began with, once they have read it; what follows is remembered whole,
but for the methods that forget with each token (streaming, tova, h2o-step). After
/load, or /set cache, all that was said is read again, and counts as the beginning.

On a terminal, lines can be edited and called back with the arrow keys. Ctrl-C
stops an answer and keeps the chat; a second one, or Ctrl-D, leaves. Text of
several lines begins and ends with """. /help lists the commands; a line that
begins with a space is always text.

In a pipe, each line is a question or a command, the answers are all that is
written, and the first error ends the chat. With --json each answer is a line
of JSON.`,
	example: `  mica chat
  mica chat smollm2 --system "Answer in one sentence." --temp 0.7
  mica chat smollm2 --cache streaming:budget=1024
  printf 'Who wrote Opticks?\nIn which year?\n' | mica chat smollm2`,
	flags: []string{"model", "adapter", "system", "predict", "context", "kv-cache", "mode", "temp", "top-k", "top-p", "seed", "threads", "verbose"},
	run:   runChat,
}

// session is a chat that goes on.
type session struct {
	*call
	m       *model
	eng     *pass.Engine
	context int    // tokens at most
	digest  string // of the model, for --json
	adapter *adapterInfo
	in      lineReader
	cache   chatCache
	talking bool // with a person at a terminal
	told    bool // Ctrl-C was pressed since the last line: the next one leaves

	turns []chat.Message // user, assistant, user, ...: pairs
	seq   *pass.Seq      // what layers remember of the chat; nil: nothing yet
	prior []int32        // the template's tokens for the chat up to the last answer
}

func runChat(ctx context.Context, c *call) error {
	if c.set.model == "" && len(c.args) == 0 {
		c.set.model = demoModel
	}
	in, talking := c.openLines()
	if talking && c.set.output != "" && c.set.output != "-" {
		return usage("leave it out: /save FILE keeps the chat", "--output: hides the answers from the one who asks")
	}
	cache, err := newChatCache(c.set.cache)
	if err != nil {
		return err
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Template == nil {
		return usage("`mica run --raw` lets it continue a text", "%s: no chat template: the model isn't made for talking", m.file.Name)
	}
	s := &session{call: c, m: m, in: in, cache: cache, talking: talking}
	if s.adapter, err = c.adapt(m); err != nil {
		return err
	}
	if s.context, err = c.contextOf(m); err != nil {
		return err
	}
	if s.eng, err = c.engine(m, nil); err != nil {
		return err
	}
	defer s.eng.Close()
	if c.set.json {
		if s.digest, err = m.digest(); err != nil {
			return err
		}
	}
	if talking {
		c.note("%s, up to %s tokens.\n/help lists the commands, /bye leaves.", harmless(m.file.Name), count(s.context))
	}
	for {
		err := s.next(ctx)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case !talking, ctx.Err() != nil, errors.Is(err, errInterrupted):
			return err
		default: // of this line only; the chat goes on
			f := judge(err)
			c.say("%s", harmless(f.Error()))
			if f.hint != "" {
				c.say("%s", f.hint)
			}
		}
	}
}

// next takes the next message or command. io.EOF says that it was the last.
func (s *session) next(ctx context.Context) error {
	text, literal, err := s.read(ctx)
	if errors.Is(err, errCtrlC) {
		if s.told {
			return errInterrupted
		}
		s.told = true
		s.note("Ctrl-C again, Ctrl-D or /bye leaves.")
		return nil
	}
	if err != nil {
		return err
	}
	s.told = false
	switch {
	case strings.TrimSpace(text) == "":
		return nil
	case !literal && strings.HasPrefix(text, "/"):
		return s.command(text)
	}
	return s.answer(ctx, text)
}

// messages is the chat as the template gets it.
func (s *session) messages() []chat.Message {
	var m []chat.Message
	if s.set.system != "" {
		m = append(m, chat.Message{Role: "system", Content: s.set.system})
	}
	return append(m, s.turns...)
}

// forget drops what layers remember; the next turn reads all that was said.
func (s *session) forget() { s.seq, s.prior = nil, nil }
