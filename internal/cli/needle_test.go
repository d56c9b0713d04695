package cli

import (
	"testing"

	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/snapkv"
)

// An answer is kept under what the settings came to: a layer that
// --find-layer finds later must not be given answers of the one before.
func TestNeedleAnswersAreKeptByWhatWasInForce(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range []needleMethod{
		{name: "full"},
		{name: "gemfilter", pick: gemfilter.Filter{Layer: 5, Keep: 8}},
		{name: "gemfilter", pick: gemfilter.Filter{Layer: 18, Keep: 8}},
		{name: "gemfilter+snapkv", pick: gemfilter.Filter{Layer: 18, Keep: 8}, cache: snapkv.Method{Budget: 64}},
		{name: "gemfilter+snapkv", pick: gemfilter.Filter{Layer: 18, Keep: 8}, cache: snapkv.Method{Budget: 128}},
	} {
		if key := m.resolved(); seen[key] {
			t.Errorf("%q stands for two settings", key)
		} else {
			seen[key] = true
		}
	}
	a, b := needleMethod{name: "gemfilter", pick: gemfilter.Filter{Layer: 5}}, needleMethod{name: "gemfilter", pick: gemfilter.Filter{Layer: 5}}
	if a.resolved() != b.resolved() {
		t.Error("the same settings have two keys")
	}
}
