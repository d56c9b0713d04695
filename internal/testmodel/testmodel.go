// Package testmodel finds the real model file that some tests need.
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
	if path := os.Getenv("MICA_TEST_MODEL"); path != "" {
		if _, err := os.Stat(path); err != nil {
			missing(t, "MICA_TEST_MODEL: "+err.Error()+": get the file with `mica pull smollm2`")
		}
		return path
	}
	s, err := store.Open("")
	if err != nil {
		missing(t, "this test needs a real model: "+err.Error())
	}
	m, err := s.Resolve("smollm2")
	if err != nil {
		missing(t, "this test needs a real model ("+err.Error()+"): run `mica pull smollm2`, or set MICA_TEST_MODEL to the file")
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
