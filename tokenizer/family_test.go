package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/micaml/mica/format/gguf"
)

// What is expected here was written by tools/oracle/tokenizer_families.py with
// Hugging Face tokenizers, and by tokenizer_llama_cpp.mjs with llama.cpp.

var families = []string{"gpt2", "pythia", "qwen2.5", "qwen3", "gemma3"}

// compare encodes what the reference did, as plain text and with control tokens.
func compare(t *testing.T, bpe *BPE, rows []referenceRow) {
	t.Helper()
	wrong, control := 0, 0
	for _, r := range rows {
		special := r.Special
		if special == nil {
			special = r.IDs
		} else {
			control++
		}
		for _, want := range []struct {
			o   EncodeOptions
			ids []int32
		}{{EncodeOptions{}, r.IDs}, {EncodeOptions{Special: true}, special}} {
			got := bpe.Encode(r.Text, want.o)
			if !slices.Equal(got, want.ids) {
				if wrong++; wrong <= 5 {
					t.Errorf("Encode(%q, %+v)\n got %v\nwant %v", r.Text, want.o, got, want.ids)
				}
			}
			for _, id := range got {
				if k := bpe.Kind(id); !want.o.Special && k == KindControl {
					t.Errorf("plain text %q has control token %d", r.Text, id)
				}
			}
		}
	}
	t.Logf("%d strings, %d of them with control tokens, %d differences", len(rows), control, wrong)
	if wrong > 0 || control < len(rows)/100 {
		t.Errorf("%d of %d differ, %d strings have control tokens", wrong, 2*len(rows), control)
	}
}

// family returns a cut-down tokenizer.json and what the reference makes of strings.
func family(t testing.TB, name string) ([]byte, []referenceRow) {
	t.Helper()
	var file []byte
	var rows []referenceRow
	for line := range fixtureLines(t, name+".jsonl.gz") {
		if file == nil {
			file = []byte(line)
			continue
		}
		var r referenceRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if len(rows) < 450 {
		t.Fatalf("%d rows", len(rows))
	}
	return file, rows
}

func fromJSON(t testing.TB, b []byte) *BPE {
	t.Helper()
	bpe, err := FromJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return bpe
}

func TestFamilies(t *testing.T) {
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			file, rows := family(t, name)
			bpe := fromJSON(t, file)
			compare(t, bpe, rows)
			if name == "gemma3" {
				return
			}
			// The same vocabulary as GGUF has it.
			c, err := ConfigFromJSON(file)
			if err != nil {
				t.Fatal(err)
			}
			c.Pre = map[string]string{"gpt2": "gpt-2", "pythia": "olmo", "qwen2.5": "qwen2", "qwen3": "qwen2"}[name]
			if bpe, err = NewBPE(c); err != nil {
				t.Fatal(err)
			}
			compare(t, bpe, rows)
		})
	}
}

// ggufConfig is the first line of gemma3-gguf.jsonl.gz.
func ggufConfig(t testing.TB, line []byte) Config {
	c := Config{Model: SentencePiece, BOS: None, EOS: None, Unknown: None, Pad: None}
	if err := json.Unmarshal(line, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestScoresEqualLlamaCpp(t *testing.T) {
	file, rows := family(t, "gemma3-gguf")
	bpe, err := NewBPE(ggufConfig(t, file))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, bpe, comparable(t, rows))
}

// comparable leaves out texts with three tokens that this package treats as
// tokenizer.json says rather than as llama.cpp does: the markers of an image,
// which are special, but user-defined in the GGUF file, so that llama.cpp finds
// them in any text; and </s>, which is not, but which llama.cpp takes for the end
// of a turn whatever a file says.
func comparable(t testing.TB, rows []referenceRow) []referenceRow {
	all := len(rows)
	rows = slices.DeleteFunc(rows, func(r referenceRow) bool {
		return strings.Contains(r.Text, "<start_of_image>") || strings.Contains(r.Text, "<end_of_image>") || strings.Contains(r.Text, "</s>")
	})
	if len(rows) < all*9/10 {
		t.Fatalf("only %d of %d strings are compared", len(rows), all)
	}
	return rows
}

// real returns the path of a real model's file, which are not committed.
func real(t testing.TB, path ...string) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	name := filepath.Join(append([]string{home, ".cache/mica-oracle/tokenizer"}, path...)...)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("%s is not there: run tools/oracle/tokenizer_families.py fetch, then reference", name)
	}
	return name
}

func realTokenizer(t testing.TB, name string) *BPE {
	t.Helper()
	b, err := os.ReadFile(real(t, name, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	return fromJSON(t, b)
}

func TestRealFamilies(t *testing.T) {
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			bpe := realTokenizer(t, name)
			rows := rowsOf[referenceRow](t, real(t, name, "reference.jsonl.gz"))
			if len(rows) != 10000 {
				t.Fatalf("%d rows", len(rows))
			}
			compare(t, bpe, rows)
			for _, r := range rows {
				want := bpe.normalize(r.Text)
				if got := bpe.Decode(bpe.Encode(r.Text, EncodeOptions{})); got != want && len(bpe.Missing()) == 0 {
					t.Fatalf("%q came back as %q", want, got)
				}
			}
			pieces := rowsOf[string](t, real(t, name, "pieces.jsonl.gz"))
			if len(pieces) != bpe.Len() {
				t.Fatalf("%d pieces, %d tokens", len(pieces), bpe.Len())
			}
			for id, want := range pieces {
				// The reference replaces what is not UTF-8.
				if got, _ := bpe.Piece(int32(id)); got != want && lossy(got) != want {
					t.Errorf("piece %d: got %q, want %q", id, got, want)
				}
			}
		})
	}
}

// realGGUFConfig is what a loader makes of the GGUF file of Gemma 3.
func realGGUFConfig(t testing.TB) Config {
	t.Helper()
	f, err := os.Open(real(t, "gemma3.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := gguf.Parse(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	c := Config{BOS: None, EOS: None, Unknown: None, Pad: None}
	if c.Model, err = file.Meta.String("tokenizer.ggml.model"); err != nil {
		t.Fatal(err)
	}
	if c.Tokens, err = file.Meta.Strings("tokenizer.ggml.tokens"); err != nil {
		t.Fatal(err)
	}
	types, err := file.Meta.Ints("tokenizer.ggml.token_type")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range types {
		c.Types = append(c.Types, int32(k))
	}
	scores, err := file.Meta.Floats("tokenizer.ggml.scores")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scores {
		c.Scores = append(c.Scores, float32(s))
	}
	return c
}

func realGGUF(t testing.TB) *BPE {
	t.Helper()
	bpe, err := NewBPE(realGGUFConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return bpe
}

func TestRealGGUF(t *testing.T) {
	compare(t, realGGUF(t), comparable(t, rowsOf[referenceRow](t, real(t, "gemma3", "llama_cpp.jsonl.gz"))))
}

// TestInvalidBytes: what is no UTF-8 comes back as it was.
func TestInvalidBytes(t *testing.T) {
	file, _ := family(t, "gemma3")
	line, _ := family(t, "gemma3-gguf")
	scores, err := NewBPE(ggufConfig(t, line))
	if err != nil {
		t.Fatal(err)
	}
	for _, bpe := range []*BPE{fromJSON(t, file), scores} {
		for _, s := range []string{"\xff", "a\x80 b", "\xe6\x97", "\xe6\x97 \xe6\x97\xa5", " \xc0\x80 ", "\xf0\x9f\x98 \x80", "\xed\xa0\x80", "\ufffd\xff"} {
			if utf8.ValidString(s) {
				t.Fatalf("%q is UTF-8", s)
			}
			if got := bpe.Decode(bpe.Encode(s, EncodeOptions{Special: true})); got != s {
				t.Errorf("%q came back as %q", s, got)
			}
		}
	}
}

// TestCutsChangeNothing: words are cut only where no merge could join them.
func TestCutsChangeNothing(t *testing.T) {
	file, rows := family(t, "gemma3")
	line, more := family(t, "gemma3-gguf")
	scores, err := NewBPE(ggufConfig(t, line))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		bpe  *BPE
		rows []referenceRow
	}{{fromJSON(t, file), rows}, {scores, more}} {
		cut := 0
		for _, r := range tt.rows {
			s := tt.bpe.normalize(r.Text)
			if s == "" {
				continue
			}
			if tt.bpe.sentence.next(s) < len(s) {
				cut++
			}
			got := tt.bpe.appendText(nil, new(merger), s)
			if want := tt.bpe.mergeWord(nil, new(merger), s); !slices.Equal(got, want) {
				t.Errorf("%q in words: %v, whole: %v", s, got, want)
			}
		}
		if cut < len(tt.rows)/2 {
			t.Errorf("only %d of %d texts are cut", cut, len(tt.rows))
		}
	}
}

// TestSentenceIsLinear is TestMergeIsLinear for both ways of merging characters.
func TestSentenceIsLinear(t *testing.T) {
	file, _ := family(t, "gemma3")
	line, _ := family(t, "gemma3-gguf")
	scores, err := NewBPE(ggufConfig(t, line))
	if err != nil {
		t.Fatal(err)
	}
	for _, bpe := range []*BPE{fromJSON(t, file), scores} {
		for name, unit := range hostileUnits {
			for _, n := range []int{1 << 14, 1 << 16} {
				text := strings.Repeat(unit, n/len(unit))
				m := new(merger)
				if ids := bpe.appendText(nil, m, text); m.steps >= 3*len(text) || len(ids) > len(text) {
					t.Errorf("%s: %d candidates and %d ids for %d bytes", name, m.steps, len(ids), len(text))
				}
			}
		}
	}
}
