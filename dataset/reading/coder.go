package reading

import (
	"math/rand/v2"

	"github.com/micaml/mica/op"
)

// Coder turns documents into the tokens of a conversation, as a template in the style of
// ChatML writes it: Start, "user" and a message, End, Start, "assistant" and a reply, End.
type Coder struct {
	Encode     func(string) []int32 // plain text, without control tokens
	Start, End int32                // "<|im_start|>" and "<|im_end|>"
	// Prose is the share of the document's tokens that are targets too, for the
	// language; 0: answers alone are.
	Prose float64
	Seed  uint64 // which tokens these are
}

// Tokens returns the conversation and what is to be predicted after each token:
// answers with the End behind them, and of the document what Prose says. Else the
// target is op.Ignore.
func (c *Coder) Tokens(d Document, index int) (ids, targets []int32) {
	rng := rand.New(rand.NewPCG(c.Seed, uint64(index)))
	var learn []bool // whether a token is to be predicted
	add := func(share float64, more ...int32) {
		for _, id := range more {
			ids, learn = append(ids, id), append(learn, share >= 1 || share > 0 && rng.Float64() < share)
		}
	}
	for i, t := range d.Turns {
		if i > 0 {
			add(0, c.Encode("\n")...)
		}
		add(0, c.Start)
		message, share := "user\n"+t.Question, 0.0
		if i == 0 && d.Text != "" {
			message, share = "user\n"+d.Text+"\n\n"+t.Question, c.Prose
		}
		add(share, c.Encode(message)...)
		add(0, c.End)
		add(0, c.Encode("\n")...)
		add(0, c.Start)
		add(0, c.Encode("assistant\n")...)
		add(1, c.Encode(t.Answer)...)
		add(1, c.End)
	}
	targets = make([]int32, len(ids))
	for i := range targets {
		targets[i] = op.Ignore
		if i+1 < len(ids) && learn[i+1] {
			targets[i] = ids[i+1]
		}
	}
	return ids, targets
}
