// Package testmodel finds the real model files that some tests need.
package testmodel

import (
	"os"
	"testing"

	"github.com/micaml/mica/store"
)

// Path returns the path of SmolLM2-135M-Instruct.Q4_1.gguf: the file that the variable
// MICA_TEST_MODEL names, or else the one in the default store. Without either the test is
// skipped, saying how to get the file, unless CI_REAL_MODEL=1 asks for a failure: in CI nothing
// may be skipped.
func Path(t testing.TB) string {
	t.Helper()
	return find(t, "MICA_TEST_MODEL", os.Getenv("MICA_TEST_MODEL"), "smollm2", "mica pull smollm2")
}

// Gemma returns the path of gemma-3-270m-q4_k_m.gguf in the same way; the variable is
// MICA_TEST_GEMMA.
func Gemma(t testing.TB) string {
	t.Helper()
	return find(t, "MICA_TEST_GEMMA", os.Getenv("MICA_TEST_GEMMA"), "gemma3", "mica pull gemma3 --accept-licence")
}

// find returns path, which variable names, or else that of a model in the default store.
func find(t testing.TB, variable, path, name, pull string) string {
	t.Helper()
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			missing(t, variable+": "+err.Error()+": get the file with `"+pull+"`")
		}
		return path
	}
	s, err := store.Open("")
	if err != nil {
		missing(t, "this test needs a real model: "+err.Error())
	}
	m, err := s.Resolve(name)
	if err != nil {
		missing(t, "this test needs a real model ("+err.Error()+"): run `"+pull+"`, or set "+variable+" to the file")
	}
	return m.Path
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI_REAL_MODEL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
