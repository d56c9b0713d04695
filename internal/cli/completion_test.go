package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The script for bash looks at = before :, or gemfilter:layer=1 would be
// completed to gemfilter:layer=layer=1.
func TestBashBreaks(t *testing.T) {
	var b bytes.Buffer
	c := &call{ui: &ui{out: &b}, set: defaults(), args: []string{"bash"}}
	if err := runCompletion(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	equals := strings.Index(b.String(), `__mica_handle_special_char "$cur" =`)
	colon := strings.Index(b.String(), `__mica_handle_special_char "$cur" :`)
	if equals < 0 || colon < equals {
		t.Errorf("= is looked at at %d, and : at %d", equals, colon)
	}
}

// A flag whose argument is a SITE offers the sites of a layer.
func TestCompleteSite(t *testing.T) {
	sites := completer(&option{arg: "SITE"})
	for _, c := range []struct {
		typed, want string
	}{{"", "resid_pre"}, {"resid_p", "resid_post"}, {"attn.q", "attn.q"}, {"12.", "12.attn_out"}, {"3.mlp_", "3.mlp_in"}} {
		got, directive := sites(nil, nil, c.typed)
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], "\t")
			if !strings.HasPrefix(got[i], c.typed) {
				t.Errorf("%q: offers %q", c.typed, got[i])
			}
		}
		if !slices.Contains(got, c.want) || directive&cobra.ShellCompDirectiveNoFileComp == 0 {
			t.Errorf("%q: offers %q (%d), want %q among them", c.typed, got, directive, c.want)
		}
	}
}
