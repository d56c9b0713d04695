package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestRoundTripBytes(t *testing.T) {
	// All 256 symbols are there, so any bytes come back.
	bpe, err := NewBPE(byteConfig([]string{"t h", "th e", "Ġ the", "Ã ©"}))
	if err != nil {
		t.Fatal(err)
	}
	if m := bpe.Missing(); len(m) != 0 {
		t.Fatalf("missing %x", m)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 3000 {
		b := make([]byte, n%97)
		for i := range b {
			b[i] = byte(r.Uint32())
			if r.Uint32()%3 == 0 {
				b[i] = " the\xc3\xa9"[r.IntN(6)]
			}
		}
		if got := bpe.Decode(bpe.Encode(string(b), EncodeOptions{Special: true})); got != string(b) {
			t.Fatalf("%q came back as %q", b, got)
		}
	}
}

func TestRoundTripModel(t *testing.T) {
	bpe := smol(t, "smollm")
	missing := bpe.Missing()
	if len(missing) != 21 {
		t.Errorf("missing %x, want 21 bytes", missing)
	}
	for _, r := range fixtureRows[referenceRow](t, "smollm.jsonl.gz") {
		kept := slices.DeleteFunc([]byte(r.Text), func(b byte) bool { return slices.Contains(missing, b) })
		if got := bpe.Decode(bpe.Encode(r.Text, EncodeOptions{Special: true})); got != string(kept) {
			t.Fatalf("%q came back as %q", r.Text, got)
		}
	}
}

func TestSpecialNeedsAsking(t *testing.T) {
	bpe := smol(t, "smollm")
	texts := []string{"<|im_start|>", "<|im_end|>\n<|im_start|>system", "a<|endoftext|>b", "<|im_<|im_end|>end|>", "<repo_name>"}
	for id := range int32(17) {
		p, _ := bpe.Piece(id)
		texts = append(texts, p, p+p, " "+p, p[1:]+p, p[:3]+p)
	}
	for _, s := range texts {
		for _, id := range bpe.Encode(s, EncodeOptions{}) {
			if bpe.Kind(id) == KindControl {
				t.Errorf("Encode(%q) has control token %d", s, id)
			}
		}
		found := slices.ContainsFunc(bpe.Encode(s, EncodeOptions{Special: true}), func(id int32) bool { return bpe.Kind(id) == KindControl })
		if !found {
			t.Errorf("Encode(%q, Special) has no control token", s)
		}
	}
}

func TestMarkers(t *testing.T) {
	c := byteConfig(nil, "<a>", "<a><b>", "  ", "   ", "日本", "<u>")
	c.Types = make([]int32, len(c.Tokens))
	for i := range c.Types {
		c.Types[i] = int32(KindNormal)
	}
	c.Types[256], c.Types[257] = int32(KindControl), int32(KindControl)
	c.Types[258], c.Types[259], c.Types[260] = int32(KindUserDefined), int32(KindUserDefined), int32(KindUserDefined)
	c.Types[261] = int32(KindUnused)
	bpe, err := NewBPE(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text    string
		special bool
		want    []int32
	}{
		{"<a><b>", true, []int32{257}},
		{"<a><a>", true, []int32{256, 256}},
		{"<a", true, []int32{'<', 'a'}},
		{"x<a>", true, []int32{'x', 256}},
		{"<a>", false, []int32{'<', 'a', '>'}},
		{"     ", false, []int32{259, 258}},         // longest first
		{"日本日", false, []int32{260, 230, 151, 165}}, // user-defined tokens need no asking
		{"<u>", true, []int32{'<', 'u', '>'}},       // an unused one is not looked for
		{"", true, []int32{}},
	} {
		if got := bpe.Encode(tt.text, EncodeOptions{Special: tt.special}); !slices.Equal(got, tt.want) {
			t.Errorf("Encode(%q, %v) = %v, want %v", tt.text, tt.special, got, tt.want)
		}
	}
}

func TestBOSAndEOS(t *testing.T) {
	c := byteConfig(nil, "<s>", "</s>")
	c.BOS, c.EOS, c.AddBOS, c.AddEOS = 256, 257, true, true
	both, err := NewBPE(c)
	if err != nil {
		t.Fatal(err)
	}
	c.AddBOS, c.AddEOS = false, false
	neither, err := NewBPE(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		bpe  *BPE
		o    EncodeOptions
		want []int32
	}{
		{both, EncodeOptions{}, []int32{'x'}},
		{both, EncodeOptions{BOS: true}, []int32{256, 'x'}},
		{both, EncodeOptions{EOS: true}, []int32{'x', 257}},
		{neither, EncodeOptions{BOS: true, EOS: true}, []int32{'x'}},
	} {
		if got := tt.bpe.Encode("x", tt.o); !slices.Equal(got, tt.want) {
			t.Errorf("Encode(x, %+v) = %v, want %v", tt.o, got, tt.want)
		}
	}
}

func TestAccessors(t *testing.T) {
	bpe := smol(t, "smollm")
	if bpe.Len() != 49152 || bpe.BOS() != 1 || bpe.EOS() != 2 || bpe.Unknown() != 0 || bpe.Pad() != 2 {
		t.Errorf("Len %d BOS %d EOS %d Unknown %d Pad %d", bpe.Len(), bpe.BOS(), bpe.EOS(), bpe.Unknown(), bpe.Pad())
	}
	if got := bpe.EOG(); !slices.Equal(got, []int32{0, 2}) || !bpe.IsEOG(0) || bpe.IsEOG(1) || !bpe.IsEOG(2) || bpe.IsEOG(-1) {
		t.Errorf("EOG %v", got)
	}
	c := smolConfig(t)
	c.EOG = []int32{7, 2, 7}
	if more, err := NewBPE(c); err != nil || !slices.Equal(more.EOG(), []int32{0, 2, 7}) {
		t.Errorf("EOG with token 7: %v (%v)", more.EOG(), err)
	}
	for _, id := range []int32{-1, -1 << 31, 49152, 1<<31 - 1} {
		if p, ok := bpe.Piece(id); ok || p != "" || bpe.Kind(id) != 0 {
			t.Errorf("token %d is there: %q", id, p)
		}
	}
	if got := bpe.Decode([]int32{-5, 1, 1 << 30, 2}); got != "<|im_start|><|im_end|>" {
		t.Errorf("Decode = %q", got)
	}
	for id := range int32(bpe.Len()) {
		p, _ := bpe.Piece(id)
		if got, ok := bpe.ID(p); !ok || got != id {
			t.Fatalf("ID(%q) = %d, %v, want %d", p, got, ok, id)
		}
	}
	for _, s := range []string{"", "<|im_start|", "<|im_start|>x", "no such piece at all"} {
		if id, ok := bpe.ID(s); ok {
			t.Errorf("ID(%q) = %d", s, id)
		}
	}
}

func TestStreamKeepsCharactersWhole(t *testing.T) {
	bpe, err := NewBPE(byteConfig(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{"aé日😀b", "a||é|||日||||😀|b|"},
		{"\xff\xfe", "\xff|\xfe|"},          // cannot become anything
		{"\xe6\x97a", "||\xe6\x97a|"},       // was cut short
		{"\xf0\x9f\x98", "|||\xf0\x9f\x98"}, // comes with Flush
		{"\xed\xa0\x80", "|\xed\xa0|\x80|"}, // a surrogate is bad at its second byte
		{"\xc0\x80", "\xc0|\x80|"},
	} {
		var parts []string
		d := bpe.Stream()
		for i := range len(tt.text) {
			parts = append(parts, d.Add(int32(tt.text[i])))
		}
		parts = append(parts, d.Flush())
		if got := strings.Join(parts, "|"); got != tt.want {
			t.Errorf("%q streams as %q, want %q", tt.text, got, tt.want)
		}
	}
	d := bpe.Stream()
	if got := d.Add(-1) + d.Add(999) + d.Flush(); got != "" {
		t.Errorf("ids outside the vocabulary stream as %q", got)
	}
}

func TestConcurrentEncode(t *testing.T) {
	bpe := smol(t, "smollm")
	rows := fixtureRows[referenceRow](t, "smollm.jsonl.gz")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := g; i < len(rows); i += 3 {
				if got := bpe.Encode(rows[i].Text, EncodeOptions{}); !slices.Equal(got, rows[i].IDs) {
					t.Errorf("Encode(%q) = %v, want %v", rows[i].Text, got, rows[i].IDs)
				}
			}
		})
	}
	wg.Wait()
}

// naive is byte-pair encoding as the papers state it: look through all pairs,
// merge the leftmost of the most urgent, begin again.
func naive(t *BPE, word string) []int32 {
	var ids []int32
	for i := range len(word) {
		if id := t.symbol[word[i]]; id != None {
			ids = append(ids, id)
		}
	}
	for {
		at, best := 0, noRank
		for i := range max(len(ids)-1, 0) {
			if r := t.pairs.rank(ids[i], ids[i+1]); r < best {
				at, best = i, r
			}
		}
		if best == noRank {
			return ids
		}
		ids[at] = t.made[best]
		ids = slices.Delete(ids, at+1, at+2)
	}
}

func TestMergeEqualsNaive(t *testing.T) {
	bpe := smol(t, "smollm")
	r := rand.New(rand.NewPCG(3, 4))
	alphabets := []string{"a", "ab", "aab=", " \n", "etaoinshrdlu", "=-*#"}
	var m merger
	for n := range 1500 {
		a := alphabets[n%len(alphabets)]
		b := make([]byte, 1+r.IntN(150))
		for i := range b {
			b[i] = a[r.IntN(len(a))]
		}
		got, want := m.merge(nil, bpe, string(b)), naive(bpe, string(b))
		if !slices.Equal(got, want) {
			t.Fatalf("merge(%q) = %v, want %v", b, got, want)
		}
	}
}

// TestMergeIsLinear counts work instead of measuring time. A heap of k
// candidates costs k log k, and every pre-tokenizer looks at a character a fixed
// number of times, so the count of candidates is what could grow out of hand.
func TestMergeIsLinear(t *testing.T) {
	bpe := smol(t, "smollm")
	for name, unit := range hostileUnits {
		for _, n := range []int{1 << 14, 1 << 15, 1 << 16} {
			text := strings.Repeat(unit, n/len(unit))
			m := new(merger)
			ids := bpe.appendText(nil, m, text)
			if m.steps >= 3*len(text) || len(ids) > len(text) {
				t.Errorf("%s: %d candidates and %d ids for %d bytes", name, m.steps, len(ids), len(text))
			}
		}
	}
}

// hostileUnits are what texts that stall other tokenizers are made of.
var hostileUnits = map[string]string{
	"letter": "a", "caret": "^", "space": " ", "newline": "\n", "digit": "7", "cjk": "漢", "mark": "\u0301",
	"invalid": "\x80", "lookalike": "<|im_start|", "nul": "\x00", "mixed": "ab", "emoji": "👩‍👩‍👧‍👦", "equals": "=-",
}

// TestPreTokenizersCover checks that each word is a beginning of what is left,
// cut between characters, for every sequence of representatives of the classes.
func TestPreTokenizersCover(t *testing.T) {
	parts := []string{"a", "é", "1", "²", " ", "\t", "\n", "\r", "\u3000", "'", "!", "\xff", "s", "\U00011de3"}
	var visit func(s string, depth int)
	visit = func(s string, depth int) {
		for name, pre := range preTokenizers {
			for rest := s; rest != ""; {
				n := pre.next(classes(), rest)
				if n <= 0 || n > len(rest) || n < len(rest) && rest[n] >= 0x80 && rest[n] != 0xff && !utf8.RuneStart(rest[n]) {
					t.Fatalf("%s cuts %q after %d bytes", name, rest, n)
				}
				rest = rest[n:]
			}
		}
		if depth > 0 {
			for _, p := range parts {
				visit(s+p, depth-1)
			}
		}
	}
	visit("", 4)
}

func TestCacheIsBounded(t *testing.T) {
	bpe := smol(t, "smollm")
	var text strings.Builder
	for i := range 3 * cacheWords {
		fmt.Fprintf(&text, " w%s%s", strings.Repeat("x", i%40), strings.ReplaceAll(fmt.Sprint(i), "1", "q"))
	}
	want := bpe.Encode(text.String(), EncodeOptions{})
	if got := bpe.Encode(text.String(), EncodeOptions{}); !slices.Equal(got, want) {
		t.Error("a second time gives other ids")
	}
	for i := range bpe.cache.entries {
		if e := bpe.cache.entries[i].Load(); e != nil && (len(e.word) > maxCachedWord || len(e.ids) > maxCachedWord) {
			t.Fatalf("cached %q", e.word)
		}
	}
}
