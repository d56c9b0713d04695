package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Piece returns the bytes that token id stands for, which need not be whole
// characters; for a control token its spelling. It is false for an id outside
// the vocabulary.
func (t *BPE) Piece(id int32) (string, bool) {
	if !t.has(id) {
		return "", false
	}
	return t.pieces[id], true
}

// Decode returns the text of ids: their pieces, one after the other. An id
// outside the vocabulary adds nothing. Tokens that a model chose freely may not
// be UTF-8; [strings.ToValidUTF8] mends that where it matters.
func (t *BPE) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		if t.has(id) {
			b.WriteString(t.pieces[id])
		}
	}
	return b.String()
}

// Stream returns a decoder for tokens that come one at a time.
func (t *BPE) Stream() *Decoder { return &Decoder{bpe: t} }

// Decoder decodes tokens as they come and never cuts a character: what may still
// become one is held back. All it returns, joined, is what [BPE.Decode] returns.
type Decoder struct {
	bpe  *BPE
	held []byte // fewer than utf8.UTFMax
}

// Add returns the text that token id completes, which may be empty.
func (d *Decoder) Add(id int32) string {
	piece, _ := d.bpe.Piece(id)
	d.held = append(d.held, piece...)
	n := whole(d.held)
	text := string(d.held[:n])
	d.held = append(d.held[:0], d.held[n:]...)
	return text
}

// Flush returns what is held back, at the end of the stream, and makes d ready
// for another one.
func (d *Decoder) Flush() string {
	text := string(d.held)
	d.held = d.held[:0]
	return text
}

// whole returns the length of b without an incomplete character at its end.
func whole(b []byte) int {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
