package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// BPE is a byte-pair encoding (Sennrich et al. 2016, section 3.2): over bytes
// (Radford et al. 2019, section 2.2) or, as SentencePiece has it (Kudo and
// Richardson 2018), over characters. It does not change once made and is safe for
// concurrent use.
type BPE struct {
	pieces []string // per id, the bytes it stands for
	kinds  []Kind
	words  map[string]int32 // piece to id, without the markers
	symbol [256]int32       // id of each byte, or None

	sentence *sentence // SentencePiece: characters and spaces; else nil
	scored   *scored   // merges by score; else nil
	pairs    *pairTable
	joins    []uint64 // per rank, the pair the merge joins
	made     []int32  // and the token it makes
	pre      preTokenizer
	whole    bool // a word that is a token is not merged
	class    *classTable
	cache    *wordCache

	nfc               bool
	markers, normMark *markerSet // looked for in the text as given; after normalizing

	bos, eos, unknown, pad int32
	eog                    []int32
	addBOS, addEOS         bool

	mergers sync.Pool // of *merger
}

// NewBPE checks c and builds its tokenizer. The error names the field at fault;
// for a pre-tokenizer this package does not know it is [ErrPre].
func NewBPE(c Config) (*BPE, error) {
	t, err := newBPE(&c)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func newBPE(c *Config) (*BPE, error) {
	var pre preTokenizer
	switch c.Model {
	case "", ByteLevel:
		var ok bool
		if pre, ok = preTokenizers[c.Pre]; !ok {
			return nil, fmt.Errorf("pre: %q: %w, known are %q", clip(c.Pre), ErrPre, PreTokenizers())
		}
	case SentencePiece:
	default:
		return nil, fmt.Errorf("model: %q is not supported, %q and %q are", clip(c.Model), ByteLevel, SentencePiece)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	ids := make(map[string]int32, len(c.Tokens))
	for id, s := range c.Tokens {
		if first, ok := ids[s]; ok {
			return nil, fmt.Errorf("tokens[%d]: %q is tokens[%d] already", id, clip(s), first)
		}
		ids[s] = int32(id)
	}
	t := &BPE{
		pre: pre, whole: pre.wholeWords || c.WholeWords, class: classes(), cache: newWordCache(), nfc: c.NFC,
		bos: c.BOS, eos: c.EOS, unknown: c.Unknown, pad: c.Pad,
		eog: c.endOfGeneration(), addBOS: c.AddBOS, addEOS: c.AddEOS,
	}
	t.mergers.New = func() any { return new(merger) }
	byScore := c.Model == SentencePiece && len(c.Merges) == 0
	if !byScore {
		if err := t.setMerges(c, ids); err != nil {
			return nil, err
		}
	}
	if c.Model != SentencePiece {
		if err := t.setSymbols(c, ids); err != nil {
			return nil, err
		}
		t.setPieces(c)
		return t, nil
	}
	if err := t.setSentence(c, ids); err != nil {
		return nil, err
	}
	t.setPieces(c)
	t.sentence.setInner(t.words)
	if byScore {
		if err := t.setScores(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// setMerges indexes the merges.
func (t *BPE) setMerges(c *Config, ids map[string]int32) error {
	n := len(c.Merges)
	t.pairs, t.joins, t.made = newPairTable(n), make([]uint64, n), make([]int32, n)
	var joined []byte
	for rank, m := range c.Merges {
		l, r, ok := strings.Cut(m, " ")
		if !ok || l == "" || r == "" || strings.Contains(r, " ") {
			return fmt.Errorf("merges[%d]: %q is not two parts with a space between", rank, clip(m))
		}
		joined = append(append(joined[:0], l...), r...)
		left, ok1 := ids[l]
		right, ok2 := ids[r]
		whole, ok3 := ids[string(joined)] // no copy is made for this
		for i, ok := range [3]bool{ok1, ok2, ok3} {
			if !ok {
				return fmt.Errorf("merges[%d]: %q is not in the vocabulary", rank, clip([3]string{l, r, l + r}[i]))
			}
		}
		for _, id := range [3]int32{left, right, whole} {
			if k := c.kind(int(id)); isMarker(k) && (k != KindUserDefined || c.Model != SentencePiece) {
				// Plain text could otherwise become a control token by merging.
				return fmt.Errorf("merges[%d]: %q is a special token", rank, clip(c.Tokens[id]))
			} else if k == KindByte {
				return fmt.Errorf("merges[%d]: %q is a byte token", rank, clip(c.Tokens[id]))
			}
		}
		if !t.pairs.insert(left, right, uint32(rank)) {
			return fmt.Errorf("merges[%d]: %q comes a second time", rank, clip(m))
		}
		t.joins[rank], t.made[rank] = pairOf(left, right), whole
	}
	return nil
}

// setSymbols finds the token of each byte.
func (t *BPE) setSymbols(c *Config, ids map[string]int32) error {
	found := 0
	for b := range t.symbol {
		t.symbol[b] = None
		id, ok := ids[string(byteSymbols[b])]
		if !ok {
			continue
		}
		if isMarker(c.kind(int(id))) {
			return fmt.Errorf("types[%d]: the symbol of byte 0x%02x is a special token", id, b)
		}
		t.symbol[b], found = id, found+1
	}
	if found == 0 {
		return errors.New("tokens: none of the 256 byte symbols is there, so this is no byte-level vocabulary")
	}
	return nil
}

// setPieces decodes every token once, into one string, and indexes the result.
func (t *BPE) setPieces(c *Config) {
	t.pieces, t.kinds = make([]string, len(c.Tokens)), make([]Kind, len(c.Tokens))
	t.words = make(map[string]int32, len(c.Tokens))
	size := 0
	for _, s := range c.Tokens {
		size += len(s)
	}
	all, ends := make([]byte, 0, size), make([]int, len(c.Tokens)) // decoding only shortens
	var markers, normMark []marker
	late := make(map[int32]bool, len(c.Normalized))
	for _, id := range c.Normalized {
		late[id] = true
	}
	for id, s := range c.Tokens {
		k := c.kind(id)
		t.kinds[id] = k
		switch {
		case isMarker(k) && (t.sentence == nil || k != KindUserDefined):
			all = append(all, s...)
		case t.sentence != nil:
			all = t.sentence.appendPiece(all, s, k)
		default:
			all = appendDecoded(all, s)
		}
		ends[id] = len(all)
		switch {
		case !isMarker(k):
		case late[int32(id)]:
			normMark = append(normMark, marker{t.normalize(s), int32(id)})
		default:
			markers = append(markers, marker{s, int32(id)})
		}
	}
	text, start := string(all), 0
	for id, end := range ends {
		t.pieces[id] = text[start:end]
		start = end
		k := t.kinds[id]
		// Merges may make a user-defined token; scores do not, in llama.cpp's files.
		if isMarker(k) && (k != KindUserDefined || t.pairs == nil || t.sentence == nil) {
			continue
		}
		if t.sentence != nil && !t.sentence.reachable(c.Tokens[id], k) {
			continue
		}
		if _, ok := t.words[t.pieces[id]]; !ok {
			t.words[t.pieces[id]] = int32(id)
		}
	}
	t.markers, t.normMark = newMarkerSet(markers, t.kinds), newMarkerSet(normMark, t.kinds)
}

// Len returns the number of tokens.
func (t *BPE) Len() int { return len(t.pieces) }

// Kind returns what token id is for, or 0 if there is no such token.
func (t *BPE) Kind(id int32) Kind {
	if !t.has(id) {
		return 0
	}
	return t.kinds[id]
}

// BOS returns the token that begins a text, or [None].
func (t *BPE) BOS() int32 { return t.bos }

// EOS returns the token that ends a text, or [None].
func (t *BPE) EOS() int32 { return t.eos }

// Unknown returns the token for what cannot be expressed, or [None]. No text
// becomes it.
func (t *BPE) Unknown() int32 { return t.unknown }

// Pad returns the token that fills up a batch, or [None].
func (t *BPE) Pad() int32 { return t.pad }

// EOG returns the tokens that end a generation, in ascending order.
func (t *BPE) EOG() []int32 { return slices.Clone(t.eog) }

// IsEOG reports whether token id ends a generation.
func (t *BPE) IsEOG(id int32) bool {
	_, ok := slices.BinarySearch(t.eog, id)
	return ok
}

// ID returns the token whose [BPE.Piece] is piece: ID(" the"), ID("<|im_end|>").
// If an ordinary token and a special one share it, that is the special one.
func (t *BPE) ID(piece string) (int32, bool) {
	for _, m := range [2]*markerSet{t.markers, t.normMark} {
		if n, k := m.longest(piece); n == len(piece) && n > 0 {
			return m.ids[k], true
		}
	}
	if id, ok := t.words[piece]; ok {
		return id, true
	}
	if t.sentence != nil && len(piece) == 1 {
		return t.symbol[piece[0]], true
	}
	return None, false
}

// Missing returns the bytes the vocabulary has no symbol for, in ascending
// order; [BPE.Encode] drops them, as the reference does. SmolLM2 lacks 21, such
// as 0x04 and 0xff, most of which never occur in UTF-8.
func (t *BPE) Missing() []byte {
	var bytes []byte
	for b, id := range t.symbol {
		if id == None {
			bytes = append(bytes, byte(b))
		}
	}
	return bytes
}

func (t *BPE) has(id int32) bool { return id >= 0 && int(id) < len(t.pieces) }
