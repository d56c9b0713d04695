package main

import (
	"flag"
	"os"
	"slices"
	"testing"
)

var kills = flag.Int("sigkills", 10, "kills for TestKilled")

// TestMain makes the test's own program the one that trains.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-child") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &result{}
	for seed := uint64(1); r.kills < *kills; seed++ {
		if err := r.torture(self, seed, 1200); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%+v", *r)
	if r.broken() {
		t.Errorf("a promise was broken: %+v", *r)
	}
}
