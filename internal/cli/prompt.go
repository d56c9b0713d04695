package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/model/lm"
)

// maxText is how much text is read from a file or a pipe: far more than any
// context holds.
const maxText = 64 << 20

// prompt is what the user gave: a document, a question, or both.
type prompt struct{ document, question string }

// readPrompt collects the prompt from -p or the word after the model, from -f,
// and from a pipe if there is neither.
func (c *call) readPrompt(ctx context.Context) (prompt, error) {
	_, question, err := c.words()
	if err != nil {
		return prompt{}, err
	}
	p := prompt{question: question}
	switch {
	case c.set.file == "-":
		p.document, err = c.readStdin(ctx)
	case c.set.file != "":
		p.document, err = readText(ctx, c.set.file)
	case p.question == "" && c.from["prompt"] != fromFlag && stdinIsPiped(c.stdin):
		p.question, err = c.readStdin(ctx)
	case p.question == "":
		return p, usage("give one with -p TEXT, -f FILE or a pipe", "no prompt")
	}
	if err != nil {
		return p, err
	}
	if strings.TrimSpace(p.document+p.question) == "" {
		return p, usage("give some text with -p TEXT, -f FILE or a pipe", "the prompt is empty")
	}
	return p, nil
}

func (c *call) readStdin(ctx context.Context) (string, error) {
	return limited(ctx, c.stdin, "standard input")
}

func readText(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fileError(path, err)
	}
	defer f.Close()
	return limited(ctx, f, path)
}

func limited(ctx context.Context, r io.Reader, name string) (string, error) {
	b, err := readAll(ctx, r, maxText)
	if err != nil {
		return "", fileError(name, err)
	}
	if len(b) > maxText {
		return "", usage("give a shorter one", "%s: more than %s", name, size(maxText))
	}
	return string(b), nil
}

// fileError tells of a file that can't be read, without the system call.
func fileError(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return missing("check the name; - is standard input", "%s: %w", name, err)
	}
	if errors.Is(err, errInterrupted) || errors.Is(err, errTerminated) {
		return err
	}
	return failed("name a text file that can be read", "%s: %w", name, err)
}

// text puts the document first and the question last, which is how a
// selection by the last token finds what belongs to the question.
func (p prompt) text() string {
	switch {
	case p.document == "":
		return p.question
	case p.question == "":
		return p.document
	}
	return strings.TrimRight(p.document, "\n") + "\n\n" + p.question
}

// tokens turns the prompt into tokens, with the model's chat template unless
// --raw or the model has none.
func (c *call) tokens(m *model, p prompt) ([]int32, error) {
	text := p.text()
	// Templates have a limit on text too, but it names bytes, not tokens.
	if len(text) > 256<<10 {
		if err := c.fits(m, len(m.Text(text))); err != nil {
			return nil, err
		}
	}
	var ids []int32
	if c.set.raw || m.Template == nil {
		if c.set.system != "" {
			return nil, usage("leave out --raw, or put it into the prompt", "--system: needs a chat template")
		}
		ids = m.Text(text)
	} else {
		var messages []chat.Message
		if c.set.system != "" {
			messages = append(messages, chat.Message{Role: "system", Content: c.set.system})
		}
		var err error
		if ids, err = m.Chat(append(messages, chat.Message{Role: "user", Content: text})...); err != nil {
			if errors.Is(err, lm.ErrNoTemplate) {
				return nil, usage("give --raw", "%w", err)
			}
			return nil, failed("give --raw to do without the template", "chat template: %w", err)
		}
	}
	if len(ids) == 0 {
		return nil, usage("give text that the model has tokens for", "the prompt has no tokens")
	}
	return ids, c.fits(m, len(ids))
}
