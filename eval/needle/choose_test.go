package needle_test

import (
	"testing"

	"github.com/micaml/mica/eval/needle"
)

// There is always a layer, if only the one that misses the best by least.
func TestChooseWithoutABestLayer(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []needle.Layer
		want   int
	}{
		{"one finds most, another keeps most", []needle.Layer{{Found: 1, Recall: 0.2}, {Found: 0.7, Recall: 0.8}, {Found: 0.3, Recall: 1}}, 1},
		{"none finds anything", []needle.Layer{{Recall: 0.5}, {Recall: 1}}, 1},
		{"nothing at all", []needle.Layer{{}, {}}, 0},
		{"no layers", nil, -1},
	} {
		if got := needle.Choose(c.layers); got != c.want {
			t.Errorf("%s: layer %d, want %d", c.name, got, c.want)
		}
	}
}
