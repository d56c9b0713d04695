package chat_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/micaml/mica/chat"
)

// fixture is what tools/oracle/chat_templates.py writes: templates rendered by Python's Jinja2.
type fixture struct {
	Jinja2    string
	Now       string
	Templates map[string]string
	Inputs    map[string]input
	Cases     []struct {
		Template, Input string
		Tokens          struct{ BOS, EOS string }
		Want            *string
		Error, Raised   string
	}
}

type input struct {
	Messages            []map[string]json.RawMessage
	AddGenerationPrompt bool `json:"add_generation_prompt"`
	Vars                map[string]json.RawMessage
}

func (in input) chat(t testing.TB) chat.Input {
	out := chat.Input{AddGenerationPrompt: in.AddGenerationPrompt, Vars: map[string]any{}}
	for k, v := range in.Vars {
		out.Vars[k] = v
	}
	for _, m := range in.Messages {
		msg := chat.Message{Extra: map[string]any{}}
		for k, v := range m {
			switch {
			case k == "role":
				if err := json.Unmarshal(v, &msg.Role); err != nil {
					t.Fatal(err)
				}
			case k == "content" && v[0] == '"':
				if err := json.Unmarshal(v, &msg.Content); err != nil {
					t.Fatal(err)
				}
			default:
				msg.Extra[k] = v
			}
		}
		out.Messages = append(out.Messages, msg)
	}
	return out
}

func load(t testing.TB, path string) fixture {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestReference compares with Python, case by case: the same text, or an error where Python has one, and the
// template's own message where it raised one. MICA_CHAT_FIXTURES names more fixtures (see the script's --folder).
func TestReference(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.json")
	more, _ := filepath.Glob(os.Getenv("MICA_CHAT_FIXTURES"))
	if len(paths) < 3 {
		t.Fatalf("fixtures missing: found %v", paths)
	}
	for _, path := range append(paths, more...) {
		f := load(t, path)
		now, err := time.Parse("2006-01-02T15:04:05", f.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Cases {
			t.Run(filepath.Base(path)+"/"+c.Template+"/"+c.Input, func(t *testing.T) {
				in := f.Inputs[c.Input].chat(t)
				in.BOS, in.EOS, in.Now = c.Tokens.BOS, c.Tokens.EOS, now
				got, err := "", error(nil)
				tmpl, err := chat.Parse(f.Templates[c.Template])
				if err == nil {
					got, err = tmpl.Render(in)
				}
				var place *chat.Error
				if err != nil && (!errors.As(err, &place) || place.Line < 1 || place.Column < 1) {
					t.Errorf("error without a place: %v", err)
				}
				switch {
				case c.Want == nil && err == nil:
					t.Errorf("%s\nPython fails with %s, got %q", f.Templates[c.Template], c.Error, got)
				case c.Want == nil && c.Raised != "":
					var raised *chat.RaisedError
					if !errors.As(err, &raised) || raised.Message != c.Raised {
						t.Errorf("error %v, want the template's own %q", err, c.Raised)
					}
				case c.Want != nil && err != nil:
					t.Errorf("%v\nPython gives %q", err, *c.Want)
				case c.Want != nil && got != *c.Want:
					t.Errorf("differs from Python (-want +got):\n%s", cmp.Diff(*c.Want, got))
				}
			})
		}
	}
}
