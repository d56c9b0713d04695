package paper_test

import (
	"strings"
	"testing"

	"github.com/micaml/mica/paper"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		name, result string
		want         paper.Status
		err          string
	}{
		{"no run", "", paper.Status{State: paper.Missing}, ""},
		{"all judged", `{"slug":"x","claims":[{"id":"a","holds":true},{"id":"b","holds":false}]}`, paper.Status{State: paper.Works, Holds: 1, Total: 2}, ""},
		{"one can't be shown", `{"slug":"x","claims":[{"id":"a","holds":true},{"id":"b","holds":null,"why":"too small"}]}`, paper.Status{State: paper.Partial, Holds: 1, Total: 2}, ""},
		{"quick", `{"slug":"x","quick":true,"claims":[{"id":"a","holds":true}]}`, paper.Status{State: paper.Partial, Holds: 1, Total: 1}, ""},
		{"no claims", `{"slug":"x","claims":[]}`, paper.Status{State: paper.Missing}, "no claims"},
		{"another's", `{"slug":"y","claims":[{"id":"a","holds":true}]}`, paper.Status{State: paper.Missing}, `is of "y"`},
		{"broken", `{"slug":`, paper.Status{State: paper.Missing}, "stored result"},
	} {
		p := paper.Paper{Slug: "x"}
		if c.result != "" {
			p.Result = []byte(c.result)
		}
		got, err := p.Status()
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}
