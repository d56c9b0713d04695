package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// TestNFC compares with golang.org/x/text on the characters of the table, which is
// of an earlier Unicode, each alone and in mixtures with fewer marks in a row than
// make x/text break the text up.
func TestNFC(t *testing.T) {
	var chars []string
	for _, entry := range strings.Split(strings.TrimSuffix(nfcKept+nfcLost, " "), " ") {
		c, n := utf8.DecodeRuneInString(entry)
		if want := norm.NFD.String(string(c)); entry[n:] != want {
			t.Errorf("%U decomposes to %+q, want %+q", c, entry[n:], want)
		}
		chars = append(chars, string(c), entry[n:])
	}
	for _, runs := range nfcMarks {
		for _, r := range runs {
			chars = append(chars, string(r))
		}
	}
	for r := rune(0x1100); r < 0x1200; r++ {
		chars = append(chars, string(r), string(hangulS+(r-0x1100)*43))
	}
	chars = append(chars, "a", "E", "o", " ", "x", "\u09c7", "漢", "\U0001f600")
	for _, s := range chars {
		if got, want := nfc(s), norm.NFC.String(s); got != want {
			t.Errorf("nfc(%+q) = %+q, want %+q", s, got, want)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(chars[r.IntN(len(chars))])
		}
		s := b.String()
		if got, want := nfc(s), norm.NFC.String(s); got != want {
			t.Fatalf("nfc(%+q) = %+q, want %+q", s, got, want)
		}
	}
}

func TestNFCKeepsBytes(t *testing.T) {
	for s, want := range map[string]string{
		"":                     "",
		"plain":                "plain",
		"\xff\u0301":           "\xff\u0301",
		"e\xff\u0301e\u0301":   "e\xff\u0301é",
		"\u0301\xcc":           "\u0301\xcc",
		"e\u0301\xcc":          "é\xcc",
		"\xcc\x80\xcce\u0301x": "\u0300\xccéx",
	} {
		if got := nfc(s); got != want {
			t.Errorf("nfc(%+q) = %+q, want %+q", s, got, want)
		}
	}
	// A long run stays one run, in order of the classes.
	marks := strings.Repeat("\u0301\u0323", 1000)
	if got, want := nfc("q"+marks), "q"+strings.Repeat("\u0323", 1000)+strings.Repeat("\u0301", 1000); got != want {
		t.Errorf("2,000 marks become %d bytes, want %d", len(got), len(want))
	}
}
