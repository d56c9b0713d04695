package lm

import (
	"fmt"

	"github.com/micaml/mica/format/hfconfig"
)

// hfReader reads keys of a config.json and keeps the first error. Where a
// setting has had several names, the first that is there counts.
type hfReader struct {
	*hfconfig.Config
	err error
}

func (r *hfReader) find(keys []string) (key string, ok bool) {
	for _, k := range keys {
		if r.Has(k) {
			return k, true
		}
	}
	return keys[0], false
}

// need reads an integer in [lo, hi] that must be there.
func (r *hfReader) need(lo, hi int, keys ...string) int {
	key, _ := r.find(keys)
	n, err := r.Uint(key)
	if err != nil {
		r.keep(err)
		return max(lo, 1)
	}
	if n < uint64(lo) || n > uint64(hi) {
		r.fail(key, "%d is not in [%d, %d]", n, lo, hi)
		return max(lo, 1)
	}
	return int(n)
}

// count is need for an integer with a default.
func (r *hfReader) count(def, lo, hi int, keys ...string) int {
	if _, ok := r.find(keys); !ok {
		return def
	}
	return r.need(lo, hi, keys...)
}

func (r *hfReader) float(def float32, keys ...string) float32 {
	key, ok := r.find(keys)
	if !ok {
		return def
	}
	f, err := r.Float(key)
	r.keep(err)
	return float32(f)
}

func (r *hfReader) bool(def bool, key string) bool {
	if !r.Has(key) {
		return def
	}
	b, err := r.Bool(key)
	r.keep(err)
	return b
}

// object reports whether an object is there.
func (r *hfReader) object(key string) bool {
	if r.Has(key) && len(r.Keys(key)) == 0 {
		r.fail(key, "not an object with keys")
	}
	return r.Has(key)
}

func (r *hfReader) fail(key, format string, args ...any) {
	r.keep(fmt.Errorf("key %q: %w", key, fmt.Errorf(format, args...)))
}

func (r *hfReader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// clip keeps an error short whatever a file holds.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
