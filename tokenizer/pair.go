package tokenizer

import "math/rand/v2"

// noRank is the rank of a pair that no merge joins.
const noRank = ^uint32(0)

// pairTable maps a pair of token ids to the rank of the merge that joins them:
// open addressing in one slice, since this lookup is most of what encoding a
// new word costs. The hash is seeded, so that a file cannot choose its collisions.
type pairTable struct {
	slots []pairSlot
	shift uint
	seed  uint64
}

type pairSlot struct {
	pair uint64
	rank uint32 // noRank: free
}

func pairOf(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// newPairTable returns a table with room for n pairs, at most half full.
func newPairTable(n int) *pairTable {
	bits := uint(1)
	for 1<<bits < 2*n {
		bits++
	}
	t := &pairTable{slots: make([]pairSlot, 1<<bits), shift: 64 - bits, seed: rand.Uint64() | 1}
	for i := range t.slots {
		t.slots[i].rank = noRank
	}
	return t
}

func (t *pairTable) slot(pair uint64) uint64 {
	h := pair * t.seed
	return (h ^ h>>32) * t.seed >> t.shift
}

// insert reports false if the pair is there already.
func (t *pairTable) insert(left, right int32, rank uint32) bool {
	pair, mask := pairOf(left, right), uint64(len(t.slots)-1)
	i := t.slot(pair)
	for ; t.slots[i].rank != noRank; i = (i + 1) & mask {
		if t.slots[i].pair == pair {
			return false
		}
	}
	t.slots[i] = pairSlot{pair, rank}
	return true
}

func (t *pairTable) rank(left, right int32) uint32 {
	pair, mask := pairOf(left, right), uint64(len(t.slots)-1)
	for i := t.slot(pair); ; i = (i + 1) & mask {
		s := t.slots[i&mask]
		if s.pair == pair || s.rank == noRank {
			return s.rank
		}
	}
}
