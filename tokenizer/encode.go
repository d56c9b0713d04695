package tokenizer

import "strings"

// EncodeOptions says how [BPE.Encode] treats a text. The zero value is right for
// text from outside.
type EncodeOptions struct {
	// Special makes the spelling of a control token (<|im_start|>) that token.
	// Without it no text can become a control token. Set it for what a chat
	// template wrote, never for what a user did.
	Special bool

	BOS bool // begin with the BOS token, if the model wants one (Config.AddBOS)
	EOS bool // end with the EOS token, if the model wants one (Config.AddEOS)
}

// keepSymbols is the longest word, in bytes, whose scratch space is kept.
const keepSymbols = 1 << 16

// Encode returns the tokens of text, in time O(n log n) for n bytes whatever they are.
//
// Text need not be UTF-8: a stray byte is treated like a punctuation mark or, in a
// SentencePiece vocabulary, as an unknown character, so that [BPE.Decode] gives back the very bytes. Bytes that the vocabulary has no
// symbol for ([BPE.Missing]) are dropped.
func (t *BPE) Encode(text string, o EncodeOptions) []int32 {
	ids := make([]int32, 0, len(text)/3+4)
	if o.BOS && t.addBOS {
		ids = append(ids, t.bos)
	}
	m := t.mergers.Get().(*merger)
	for text != "" {
		start, end, id := t.markers.find(text, o.Special)
		ids = t.appendPlain(ids, m, text[:start], o.Special)
		if start < end {
			ids = append(ids, id)
		}
		text = text[end:]
	}
	if cap(m.ids) <= keepSymbols {
		t.mergers.Put(m)
	}
	if o.EOS && t.addEOS {
		ids = append(ids, t.eos)
	}
	return ids
}

// appendPlain appends the tokens of text that has none of t.markers in it.
func (t *BPE) appendPlain(ids []int32, m *merger, text string, special bool) []int32 {
	text = t.normalize(text)
	if len(t.normMark.texts) == 0 {
		return t.appendText(ids, m, text)
	}
	for text != "" {
		start, end, id := t.normMark.find(text, special)
		ids = t.appendText(ids, m, text[:start])
		if start < end {
			ids = append(ids, id)
		}
		text = text[end:]
	}
	return ids
}

// normalize returns text as the vocabulary is to see it.
func (t *BPE) normalize(text string) string {
	if t.nfc {
		text = nfc(text)
	}
	if t.sentence != nil {
		// The model knows spaces as ▁; its pieces are kept with spaces instead, so
		// it is a ▁ in a text that is replaced, which hardly ever is there.
		text = strings.ReplaceAll(text, "▁", " ")
	}
	return text
}

// appendText appends the tokens of normalized text that has no markers in it.
func (t *BPE) appendText(ids []int32, m *merger, text string) []int32 {
	for text != "" {
		n := 0
		if t.sentence != nil {
			n = t.sentence.next(text)
		} else {
			n = t.pre.next(t.class, text)
		}
		ids = t.appendWord(ids, m, text[:n])
		text = text[n:]
	}
	return ids
}

func (t *BPE) appendWord(ids []int32, m *merger, word string) []int32 {
	if len(word) > maxCachedWord {
		return t.mergeWord(ids, m, word)
	}
	slot := t.cache.slot(word)
	if e := slot.Load(); e != nil && e.word == word {
		return append(ids, e.ids...)
	}
	n := len(ids)
	ids = t.mergeWord(ids, m, word)
	slot.Store(newCacheEntry(word, ids[n:]))
	return ids
}

func (t *BPE) mergeWord(ids []int32, m *merger, word string) []int32 {
	if t.whole {
		if id, ok := t.words[word]; ok {
			return append(ids, id)
		}
	}
	if t.scored != nil {
		return m.byScore(ids, t, word)
	}
	return m.merge(ids, t, word)
}
