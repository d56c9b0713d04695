package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
)

// words splits the words of a call into the model and the prompt: with -m,
// the first word is the prompt already.
func (c *call) words() (model, prompt string, err error) {
	model, rest := c.set.model, c.args
	if len(rest) > 0 && c.from["model"] != fromFlag {
		model, rest = rest[0], rest[1:]
	}
	switch {
	case len(rest) > 1 || len(rest) == 1 && c.from["prompt"] == "": // a verb without prompt
		return "", "", usage("name the model once", "two models: %s and --model %s", quoted(rest[0]), quoted(model))
	case len(rest) == 1 && c.from["prompt"] == fromFlag:
		return "", "", usage("give it once", "two prompts: %q and --prompt", rest[0])
	case len(rest) == 1:
		prompt = rest[0]
	default:
		prompt = c.set.prompt
	}
	if model == "" {
		return "", "", usage("name one, such as "+strings.Join(store.Names(), " or ")+"; `mica list` shows the models on this machine", "no model")
	}
	return model, prompt, nil
}

func (c *call) modelName() (string, error) {
	name, _, err := c.words()
	return name, err
}

// model is an open model and what the store knows of it.
type model struct {
	file store.Model
	*lm.Model
	load time.Duration
}

// open resolves and maps the model of a call.
func (c *call) open() (*model, error) {
	name, err := c.modelName()
	if err != nil {
		return nil, err
	}
	s, err := store.Open("")
	if err != nil {
		return nil, err
	}
	found, err := s.Resolve(name)
	if err != nil {
		return nil, err
	}
	return openModel(found)
}

func openModel(found store.Model) (*model, error) {
	start := time.Now()
	m, err := lm.Open(found.Path)
	if err != nil {
		return nil, failed("is it a whole GGUF file of a supported kind? pull it again, or try another", "%w", err)
	}
	return &model{found, m, time.Since(start)}, nil
}

// config is the shape of the network.
func (m *model) config() *lm.Config { return &m.Net.Config }

// digest is the SHA-256 of the file; of one that wasn't pulled it is computed.
func (m *model) digest() (string, error) {
	if m.file.Digest != "" {
		return m.file.Digest, nil
	}
	return store.Digest(m.file.Path)
}

// engine returns an engine for the model with the settings in force.
func (c *call) engine(m *model, trace op.Tracer) (*pass.Engine, error) {
	mode, err := op.ParseMode(c.set.mode)
	if err != nil {
		return nil, usage("exact and fast are the modes", "%w", err)
	}
	return pass.NewEngine(m.Net, pass.Options{Mode: mode, Threads: c.set.threads, Trace: trace}), nil
}

// contextOf is the context in force for a model.
func (c *call) contextOf(m *model) (int, error) {
	own := m.config().Context
	switch n := c.set.context; {
	case n == 0:
		return own, nil
	case n > own:
		return 0, usage("give --context "+strconv.Itoa(own)+" or less", "--context %d: the model was made for %s tokens", n, count(own))
	default:
		return n, nil
	}
}

// fits checks a prompt against the context.
func (c *call) fits(m *model, n int) error {
	limit, err := c.contextOf(m)
	if err != nil || n <= limit {
		return err
	}
	hint := "shorten it: this model reads no more, and --select reads all of it once too"
	if own := m.config().Context; limit < own {
		hint = "shorten it, or raise --context; this model goes up to " + count(own)
	}
	return usage(hint, "the prompt has %s tokens, and the context holds %s", count(n), count(limit))
}
