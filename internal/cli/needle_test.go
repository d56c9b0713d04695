package cli

import (
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/pass"
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

// A type of keys and values goes with any method, and with none.
func TestMethodsHaveATypeOfCache(t *testing.T) {
	ms, err := parseMethods("full:kv=q8 snapkv:budget=64,kv=f32 gemfilter+full:kv=q8")
	if err != nil {
		t.Fatal(err)
	}
	want := []keep.Compressor{nil, keep.Stored{KV: pass.KVQ8}, keep.Stored{Method: snapkv.Method{Budget: 64, Window: 32, Pool: 5}, KV: pass.KVF32}, keep.Stored{KV: pass.KVQ8}}
	for i, m := range ms {
		if m.cache != want[i] || (m.choice != nil) != (i == 3) {
			t.Errorf("%s: %+v, want %+v", m.name, m.cache, want[i])
		}
	}
}
