package cli

import (
	"context"
	"errors"

	"github.com/micaml/mica/eval/perplexity"
	"github.com/micaml/mica/pass"
)

var evalVerb = verb{
	name: "eval", args: "MODEL", maxArgs: 1,
	short: "measure a model, and what methods cost it, on a text or on a task",
	long: `eval measures how well a model foretells the text of -f: the perplexity, with its
standard error as if tokens were independent, nats for each token, and bits for
each byte, by which models with different tokens compare. The text is read in
windows of --window tokens, a --stride apart, and of each those tokens count that
no window had before, as in the guide of Hugging Face transformers. Where a model
wants a begin token, each window has one.

With --methods the first window - stride tokens of each window go through the
method, and the rest is foretold from what it keeps. All of the context, "full",
is always among them. KEPT is the tokens that are left to read; what a cache
method forgets of their keys and values shows under KV.

--task FILE has questions, a JSON object on each line:

  {"prompt": "What is 2 + 2?", "answer": "4"}
  {"prompt": "The capital of France is", "choices": ["Paris", "Rome"], "answer": 0}

The first kind is answered in writing: exact is the share of answers that are the
expected one but for case, white space and punctuation around it, contains the
share that have it in them. An answer may be a list, any of which is right. Of
choices the likeliest is taken, and that which is likeliest for each character.
Prompts go through the chat template unless --raw is given.

-o FILE writes .csv or .json. --mode exact is for comparing with other programs.`,
	example: `  mica eval smollm2 -f notes.txt
  mica eval smollm2 -f notes.txt --methods "snapkv:budget=256 gemfilter:keep=256"
  mica eval smollm2 --task questions.jsonl --raw -o answers.csv`,
	flags: []string{"model", "eval-text", "window", "stride", "windows", "task", "answer", "raw", "eval-methods", "mode", "threads"},
	run:   runEval,
}

func runEval(ctx context.Context, c *call) error {
	if (c.set.file == "") == (c.set.task == "") {
		return usage("give -f FILE, a text, or --task FILE, questions", "there must be one thing to measure")
	}
	if _, err := c.modelName(); err != nil {
		return err
	}
	format, err := outputFormat(c.set.output, "csv", "json")
	if err != nil {
		return err
	}
	ways, err := parseMethods(c.set.evalMethods)
	if err != nil {
		return err
	}
	work := c.evalText
	if c.set.task != "" {
		work = c.evalTask
	}
	measure, err := work(ctx)
	if err != nil {
		return err
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	for i := range ways {
		if s := ways[i].choice; s != nil {
			if ways[i].pick, err = s.method.make(m, s.params); err != nil {
				return err
			}
		}
	}
	eng, err := c.engine(m, nil)
	if err != nil {
		return err
	}
	defer eng.Close()
	doc, err := measure(ctx, m, eng, ways)
	if err != nil {
		if errors.Is(err, perplexity.ErrArgument) {
			return usage("a longer text, or a --window and a --stride that leave room", "%w", err)
		}
		return err
	}
	switch {
	case c.set.json || format == "json":
		return c.printJSON(doc)
	case format == "csv":
		return doc.csv(c)
	}
	doc.print(c)
	return nil
}

// measurement measures a model under each of some methods.
type measurement func(ctx context.Context, m *model, eng *pass.Engine, ways []needleMethod) (evaluation, error)

// evaluation is the outcome of eval, a document of --json.
type evaluation interface {
	csv(c *call) error
	print(c *call)
}

// evalHead is what both documents begin with.
type evalHead struct {
	head
	Mode    string `json:"mode"`
	Threads int    `json:"threads"`
	File    string `json:"file"`
}

func (c *call) evalHead(m *model, eng *pass.Engine, file string) (evalHead, error) {
	digest, err := m.digest()
	return evalHead{c.head(digest), eng.Mode().String(), eng.Threads(), file}, err
}
