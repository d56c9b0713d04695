package cpu

import "testing"

func TestChoose(t *testing.T) {
	all := []Tier{Go, AVX2, AVX512}
	for _, c := range []struct {
		want string
		have []Tier
		tier Tier
		err  string
	}{
		{"", all, AVX512, ""},
		{"", []Tier{Go}, Go, ""},
		{"go", all, Go, ""},
		{"avx2", all, AVX2, ""},
		{"avx512", all, AVX512, ""},
		{"avx512", []Tier{Go}, Go, "MICA_KERNELS=avx512: not a kernel tier of this machine (it has go)"},
		{"fast", all, AVX512, "MICA_KERNELS=fast: not a kernel tier of this machine (it has go, avx2, avx512)"},
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
