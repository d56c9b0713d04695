package tokenizer

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// Text repeats its words, so most of them are looked up rather than merged. The
// cache has a fixed number of places; a word that hashes to a taken place takes
// it over. Entries never change, so readers need no lock.
const (
	cacheWords    = 1 << 14
	maxCachedWord = 32 // bytes; bounds the cache to about 3 MiB
)

type wordCache struct {
	seed    maphash.Seed
	entries [cacheWords]atomic.Pointer[cacheEntry]
}

type cacheEntry struct {
	word string
	ids  []int32
}

func newWordCache() *wordCache { return &wordCache{seed: maphash.MakeSeed()} }

func (c *wordCache) slot(word string) *atomic.Pointer[cacheEntry] {
	return &c.entries[maphash.String(c.seed, word)%cacheWords]
}

// newCacheEntry copies both, so as not to keep a caller's text alive.
func newCacheEntry(word string, ids []int32) *cacheEntry {
	return &cacheEntry{strings.Clone(word), slices.Clone(ids)}
}
