package chat_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/tokenizer"
)

// TestRealPrompts goes all the way from a conversation to token ids with the
// templates and vocabularies of published models, and compares with what
// apply_chat_template of Hugging Face transformers gives.
func TestRealPrompts(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"qwen2.5", "qwen3", "gemma3"} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(home, ".cache/mica-oracle/tokenizer", name)
			file, err := os.ReadFile(filepath.Join(folder, "tokenizer.json"))
			if err != nil {
				t.Skipf("%v: run tools/oracle/tokenizer_families.py fetch, then chat_models.py", err)
			}
			bpe, err := tokenizer.FromJSON(file)
			if err != nil {
				t.Fatal(err)
			}
			f, ids := loadIDs(t, filepath.Join(folder, "chat.json"))
			tmpl, err := chat.Parse(f.Templates[name])
			if err != nil {
				t.Fatal(err)
			}
			var control []string
			for id := range int32(bpe.Len()) {
				if bpe.Kind(id) == tokenizer.KindControl {
					p, _ := bpe.Piece(id)
					control = append(control, p)
				}
			}
			same := 0
			for i, c := range f.Cases {
				in := f.Inputs[c.Input].chat(t)
				in.BOS, in.EOS = c.Tokens.BOS, c.Tokens.EOS
				segments, err := tmpl.Segments(in, control)
				if (err != nil) != (c.Want == nil) {
					t.Errorf("%s: %v, Python %q", c.Input, err, c.Error)
				}
				if c.Want == nil || err != nil {
					continue
				}
				var got []int32
				var prompt strings.Builder
				for _, s := range segments {
					got = append(got, bpe.Encode(s.Text, tokenizer.EncodeOptions{Special: s.Special})...)
					prompt.WriteString(s.Text)
				}
				if prompt.String() != *c.Want {
					t.Errorf("%s: prompt %q, want %q", c.Input, prompt.String(), *c.Want)
				}
				count := func(ids []int32) (n int) {
					for _, id := range ids {
						if bpe.Kind(id) == tokenizer.KindControl {
							n++
						}
					}
					return n
				}
				switch forged := strings.HasPrefix(c.Input, "forged"); {
				case !forged && !slices.Equal(got, ids[i]):
					t.Errorf("%s: %q\n got %v\nwant %v", c.Input, *c.Want, got, ids[i])
				case forged && count(got) >= count(ids[i]):
					t.Errorf("%s: %d control tokens, %d for transformers, which takes the user's for them", c.Input, count(got), count(ids[i]))
				default:
					same++
				}
			}
			if same < 25 {
				t.Errorf("only %d of %d cases were compared", same, len(f.Cases))
			}
		})
	}
}

func loadIDs(t *testing.T, path string) (fixture, [][]int32) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("%v: run tools/oracle/chat_models.py", err)
	}
	var f fixture
	var more struct{ Cases []struct{ IDs []int32 } }
	for _, v := range []any{&f, &more} {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	var ids [][]int32
	for _, c := range more.Cases {
		ids = append(ids, c.IDs)
	}
	return f, ids
}
