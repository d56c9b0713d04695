package cli

import (
	"context"
	"os"
	"time"
	"unicode/utf8"

	"github.com/micaml/mica/tokenizer"
)

var tokenizerVerb = verb{
	name: "tokenizer", args: "train FILE...", maxArgs: 1 << 12,
	short: "learn a tokenizer from texts",
	long: `tokenizer train learns a byte-level vocabulary of --vocab tokens from texts in
UTF-8, by byte-pair encoding, and writes it as a tokenizer.json: mica reads it, and
so does the tokenizers library of Hugging Face. Its merges are those of that
library's BpeTrainer for the same texts. The first token, <|endoftext|>, ends a
text.`,
	example: `  mica tokenizer train corpus.txt -o tokenizer.json --vocab 4096`,
	flags:   []string{"vocab"},
	run:     runTokenizer,
}

func runTokenizer(ctx context.Context, c *call) error {
	const hint = "write it like `mica tokenizer train corpus.txt -o tokenizer.json`"
	if len(c.args) == 0 || c.args[0] != "train" {
		if len(c.args) > 0 {
			return usage(didYouMean(c.args[0], []string{"train"}, hint), "%s: no such command", quoted(c.args[0]))
		}
		return usage(hint, "say what to do: train")
	}
	files := c.args[1:]
	if len(files) == 0 {
		return usage(hint, "no text to learn from")
	}
	start, read := time.Now(), int64(0)
	stop := c.working("learning %s tokens", count(c.set.vocab))
	defer stop()
	var failure error
	config, err := tokenizer.Train(func(yield func(string) bool) {
		for _, name := range files {
			if failure = ctx.Err(); failure != nil {
				return
			}
			var b []byte
			if b, failure = os.ReadFile(name); failure != nil {
				return
			}
			if !utf8.Valid(b) {
				failure = usage("name a file with text in UTF-8", "%s: not UTF-8", quoted(name))
				return
			}
			read += int64(len(b))
			if !yield(string(b)) {
				return
			}
		}
	}, tokenizer.TrainOptions{Vocabulary: c.set.vocab})
	if failure != nil {
		return failure
	}
	if err != nil {
		return failed("give another --vocab", "%w", err)
	}
	b, err := config.JSON()
	if err != nil {
		return err
	}
	stop()
	if n := len(config.Tokens); n < c.set.vocab {
		c.note("the text has no more pairs to merge: %s tokens, not %s", count(n), count(c.set.vocab))
	}
	c.note("%s tokens, %s merges from %s of text in %s", count(len(config.Tokens)), count(len(config.Merges)), size(read), seconds(time.Since(start)))
	_, err = c.out.Write(b)
	return err
}
