package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What is expected here was written by tools/oracle/tokenizer_smollm.py with
// Hugging Face tokenizers.

type referenceRow struct {
	Text    string  `json:"s"`
	IDs     []int32 `json:"i"`
	Special []int32 `json:"p"` // with control tokens parsed; absent: the same
}

func TestEncodeReference(t *testing.T) {
	bpe := smol(t, "smollm")
	rows := fixtureRows[referenceRow](t, "smollm.jsonl.gz")
	if len(rows) != 10000 {
		t.Fatalf("%d rows", len(rows))
	}
	wrong := 0
	check := func(text string, o EncodeOptions, want []int32) {
		if got := bpe.Encode(text, o); !slices.Equal(got, want) {
			if wrong++; wrong <= 10 {
				t.Errorf("Encode(%q, %+v)\n got %v\nwant %v", text, o, got, want)
			}
		}
	}
	parsed := 0
	for _, r := range rows {
		check(r.Text, EncodeOptions{}, r.IDs)
		special := r.Special
		if special == nil {
			special = r.IDs
		} else {
			parsed++
		}
		check(r.Text, EncodeOptions{Special: true}, special)
	}
	if wrong > 0 || parsed < 500 {
		t.Errorf("%d of %d differ, %d with control tokens", wrong, 2*len(rows), parsed)
	}
}

func TestEncodeLongReference(t *testing.T) {
	bpe := smol(t, "smollm")
	rows := fixtureRows[referenceRow](t, "smollm.jsonl.gz")
	long := fixtureRows[struct {
		Sep    string `json:"sep"`
		N      int    `json:"n"`
		SHA256 string `json:"sha256"`
	}](t, "long.jsonl.gz")
	if len(long) != 20 {
		t.Fatalf("%d long texts", len(long))
	}
	for k, want := range long {
		var parts []string
		for _, r := range rows[500*k : 500*k+500] {
			parts = append(parts, r.Text)
		}
		ids := bpe.Encode(strings.Join(parts, want.Sep), EncodeOptions{})
		var le bytes.Buffer
		if err := binary.Write(&le, binary.LittleEndian, ids); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(le.Bytes())
		if len(ids) != want.N || hex.EncodeToString(sum[:]) != want.SHA256 {
			t.Errorf("long text %d: %d ids with digest %x, want %d with %s", k, len(ids), sum, want.N, want.SHA256)
		}
	}
}

func TestPreTokenizersReference(t *testing.T) {
	type row struct {
		Text  string  `json:"s"`
		GPT2  []int32 `json:"gpt-2"`
		Llama []int32 `json:"llama-bpe"`
		Qwen  []int32 `json:"qwen2"`
	}
	rows := fixtureRows[row](t, "pre.jsonl.gz")
	if len(rows) != 3000 {
		t.Fatalf("%d rows", len(rows))
	}
	for pre, want := range map[string]func(row) []int32{
		"gpt-2":            func(r row) []int32 { return r.GPT2 },
		"llama-bpe":        func(r row) []int32 { return r.Llama },
		"llama3":           func(r row) []int32 { return r.Llama },
		"llama-v3":         func(r row) []int32 { return r.Llama },
		"qwen2":            func(r row) []int32 { return r.Qwen },
		"deepseek-r1-qwen": func(r row) []int32 { return r.Qwen },
	} {
		bpe, wrong := smol(t, pre), 0
		for _, r := range rows {
			if got := bpe.Encode(r.Text, EncodeOptions{}); !slices.Equal(got, want(r)) {
				if wrong++; wrong <= 5 {
					t.Errorf("%s: Encode(%q)\n got %v\nwant %v", pre, r.Text, got, want(r))
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d differ", pre, wrong, len(rows))
		}
	}
}

func TestDecodeReference(t *testing.T) {
	bpe := smol(t, "smollm")
	for _, r := range fixtureRows[referenceRow](t, "decode.jsonl.gz") {
		got := bpe.Decode(r.IDs)
		// The reference replaces what is not UTF-8.
		if lossy(got) != r.Text {
			t.Errorf("Decode(%v)\n got %q\nwant %q", r.IDs, got, r.Text)
		}
		d := bpe.Stream()
		var b strings.Builder
		for _, id := range r.IDs {
			b.WriteString(d.Add(id))
		}
		b.WriteString(d.Flush())
		if b.String() != got {
			t.Errorf("Stream of %v: %q, Decode: %q", r.IDs, b.String(), got)
		}
	}
}

// lossy replaces each maximal part of s that begins a character but does not
// finish it, and each other stray byte, by U+FFFD (Unicode 15, section 3.9).
func lossy(s string) string {
	var b strings.Builder
	for s != "" {
		if r, n := utf8.DecodeRuneInString(s); r != utf8.RuneError || n > 1 {
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		n := 1
		for n < len(s) && !utf8.FullRuneInString(s[:n+1]) {
			n++
		}
		b.WriteRune(utf8.RuneError)
		s = s[n:]
	}
	return b.String()
}

// TestClasses compares the table, which is at Unicode 16 (and 17 for digit), with
// Go's own over all code points that Go's version assigns.
func TestClasses(t *testing.T) {
	table := classes()
	differ := map[string]int{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r <= 0xdfff || !unicode.In(r, assigned...) {
			continue
		}
		var got class
		if int(r) < len(*table) {
			got = (*table)[r]
		}
		if got == 0 && unicode.Version > "16.0.0" {
			continue // perhaps assigned since
		}
		for _, c := range []struct {
			name string
			bit  class
			want bool
		}{
			{"letter", letter, unicode.IsLetter(r)},
			{"number", number, unicode.IsNumber(r)},
			{"digit", digit, unicode.IsNumber(r)},
			{"space", space, unicode.IsSpace(r)},
		} {
			if got&c.bit != 0 != c.want {
				differ[c.name]++
				t.Errorf("%U is a %s: %v here, %v for Unicode %s", r, c.name, !c.want, c.want, unicode.Version)
			}
		}
	}
	if len(differ) > 0 {
		t.Error(differ)
	}
}

var assigned = []*unicode.RangeTable{unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co}
