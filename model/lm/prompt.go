package lm

import (
	"errors"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/tokenizer"
)

// ErrNoTemplate says that a model has no chat template: it continues text.
var ErrNoTemplate = errors.New("lm: the model has no chat template")

// Chat turns a conversation into tokens with the model's own template, ready
// for its next turn. Only the template can make control tokens: what the
// messages say is text, whatever it looks like.
func (m *Model) Chat(messages ...chat.Message) ([]int32, error) {
	return m.Prompt(chat.Input{Messages: messages, AddGenerationPrompt: true})
}

// Prompt is [Model.Chat] for a conversation with tools or other variables of
// the template. BOS and EOS of in are the model's own, whatever they say.
func (m *Model) Prompt(in chat.Input) ([]int32, error) {
	if m.Template == nil {
		return nil, ErrNoTemplate
	}
	in.BOS, _ = m.Tokenizer.Piece(m.Tokenizer.BOS())
	in.EOS, _ = m.Tokenizer.Piece(m.Tokenizer.EOS())
	segments, err := m.Template.Segments(in, m.specials)
	if err != nil {
		return nil, err
	}
	var ids []int32
	for _, s := range segments {
		ids = append(ids, m.Tokenizer.Encode(s.Text, tokenizer.EncodeOptions{Special: s.Special})...)
	}
	return ids, nil
}

// Text turns plain text into tokens, with the begin token where the model
// wants one.
func (m *Model) Text(s string) []int32 {
	return m.Tokenizer.Encode(s, tokenizer.EncodeOptions{BOS: true})
}
