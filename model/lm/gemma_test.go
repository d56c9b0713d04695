package lm

import (
	"testing"

	"github.com/micaml/mica/internal/testmodel"
	"github.com/micaml/mica/op"
)

// gemma is Gemma 3 270M in Q4_K_M, with what transformers makes of 19 prompts in
// float64 (tools/oracle/gemma_logits.py), and llama.cpp.
func gemma(t *testing.T) (*Model, *reference, *peer) {
	m := openFile(t, testmodel.Gemma(t))
	ref, llamaCpp := new(reference), new(peer)
	readFixture(t, "testdata/gemma3_logits.json.gz", ref)
	readFixture(t, "testdata/gemma3_llamacpp.json.gz", llamaCpp)
	return m, ref, llamaCpp
}

// In exact mode the best token is llama.cpp's wherever float64's is: llama.cpp's
// own rounding moves a logit by 0.28, and so the best token where two are closer.
func TestRealModelGemmaExact(t *testing.T) {
	m, ref, llamaCpp := gemma(t)
	if longest := exactly(t, m, ref); len(ref.Prompts) != 19 || longest < 1000 {
		t.Errorf("%d prompts, the longest has %d tokens", len(ref.Prompts), longest)
	}
	a := agree(t, m, op.Exact, ref, llamaCpp)
	t.Log(a)
	if a.checked < 450 || a.differ != a.float64s {
		t.Error("of float64's top tokens another number differs, or few were compared")
	}
}

// In fast mode the errors are held to llama.cpp's, as TestRealModelFast has it.
func TestRealModelGemmaFast(t *testing.T) {
	m, ref, llamaCpp := gemma(t)
	a := agree(t, m, op.Fast, ref, llamaCpp)
	t.Log(a)
	if a.checked < 450 || float64(a.differ) > 0.04*float64(a.checked) || a.widest > 1 || a.ours > 1.25*a.theirs {
		t.Error("more than 4 % of the top tokens differ, or one that is 1 ahead, or the logits are farther off than llama.cpp's")
	}
}
