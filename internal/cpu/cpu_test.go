package cpu

import "testing"

func TestChoose(t *testing.T) {
	both := []Tier{Go, AVX512}
	for _, c := range []struct {
		want string
		have []Tier
		tier Tier
		err  string
	}{
		{"", both, AVX512, ""},
		{"", []Tier{Go}, Go, ""},
		{"go", both, Go, ""},
		{"avx512", both, AVX512, ""},
		{"avx512", []Tier{Go}, Go, "MICA_KERNELS=avx512: not a kernel tier of this machine (it has go)"},
		{"fast", both, AVX512, "MICA_KERNELS=fast: not a kernel tier of this machine (it has go, avx512)"},
	} {
		got, err := choose(c.want, c.have)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != c.tier || msg != c.err {
			t.Errorf("choose(%q, %v) = %v, %q; want %v, %q", c.want, c.have, got, msg, c.tier, c.err)
		}
	}
}
