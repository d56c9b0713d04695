package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/micaml/mica/tokenizer"
)

var tokenizeVerb = verb{
	name: "tokenize", args: "MODEL [TEXT]", maxArgs: 2,
	short: "turn text into tokens, or ids into text",
	long: `tokenize shows the tokens of a text as the model sees them, with the begin token
where the model wants one. In the pieces a space is ·, a line end ⏎ and a tab ⇥.`,
	example: `  mica tokenize smollm2 "Paris is in France"
  mica tokenize smollm2 --decode 504,3575,282`,
	flags: []string{"model", "prompt", "file", "decode", "special"},
	run:   runTokenize,
}

// tokens is the document of tokenize --json.
type tokens struct {
	head
	TokenIDs []int32  `json:"token_ids"`
	Pieces   []string `json:"pieces"`
	Text     string   `json:"text"`
}

func runTokenize(ctx context.Context, c *call) error {
	if _, err := c.modelName(); err != nil {
		return err
	}
	doc := tokens{TokenIDs: []int32{}, Pieces: []string{}}
	decode := c.set.decode != ""
	var err error
	if decode {
		if doc.TokenIDs, err = parseIDs(c.set.decode); err != nil {
			return err
		}
	} else {
		p, err := c.readPrompt(ctx)
		if err != nil {
			return err
		}
		doc.Text = p.text()
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	if decode {
		for _, id := range doc.TokenIDs {
			if _, ok := m.Tokenizer.Piece(id); !ok {
				return usage("ids go from 0 to "+strconv.Itoa(m.Tokenizer.Len()-1), "--decode %d: no such token", id)
			}
		}
		doc.Text = m.Tokenizer.Decode(doc.TokenIDs)
	} else {
		doc.TokenIDs = m.Tokenizer.Encode(doc.Text, tokenizer.EncodeOptions{BOS: true, Special: c.set.special})
	}
	for _, id := range doc.TokenIDs {
		piece, _ := m.Tokenizer.Piece(id)
		doc.Pieces = append(doc.Pieces, piece)
	}
	switch {
	case c.set.json:
		digest, err := m.digest()
		if err != nil {
			return err
		}
		doc.head = c.head(digest)
		return c.printJSON(doc)
	case decode:
		_, err := fmt.Fprintln(c.out, strings.TrimSuffix(doc.Text, "\n"))
		return err
	}
	for i, id := range doc.TokenIDs {
		if _, err := fmt.Fprintf(c.out, "%7d  %s\n", id, visible(doc.Pieces[i])); err != nil {
			return err
		}
	}
	return nil
}

// parseIDs reads "1,2,3", with commas, spaces or both.
func parseIDs(s string) ([]int32, error) {
	var ids []int32
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		n, err := parseWhole(f, 0, math.MaxInt32)
		if err != nil {
			return nil, usage("write them like 12,345", "--decode: %q: %w", f, err)
		}
		ids = append(ids, int32(n))
	}
	if len(ids) == 0 {
		return nil, usage("write them like 12,345", "--decode: %w", errors.New("no ids"))
	}
	return ids, nil
}
