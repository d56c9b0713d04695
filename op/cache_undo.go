package op

import (
	"slices"

	"github.com/micaml/mica/internal/kernel/attn"
)

// cacheUndo is what a cache needs to go back to a checkpoint.
type cacheUndo struct {
	on    bool
	sums  [][]float32 // as they were
	heads []cacheHead // as they were before PerQuery, if it has come since
}

// headUndo is what a head needs: entries that were there at the checkpoint are
// set aside, as they are stored, when they are dropped.
type headUndo struct {
	old   int    // entries at the front that were there at the checkpoint
	gone  []gone // and those that were there too, ascending
	stash attn.Stash
	saved int // in the stash
}

// gone is an entry that has been dropped since the checkpoint.
type gone struct {
	at    int // its index at the checkpoint
	stash int
	pos   int32
}

// Checkpoint notes the moment for [Cache.Rollback].
func (m *Cache) Checkpoint() {
	m.Commit()
	m.undo.on = true
	for h := range m.heads {
		m.heads[h].undo.old = m.Len(h)
	}
	m.undo.sums = slices.Grow(m.undo.sums[:0], len(m.sums))[:len(m.sums)]
	for q, s := range m.sums {
		m.undo.sums[q] = append(m.undo.sums[q][:0], s...)
	}
}

// Commit gives up the checkpoint, and with it what has been dropped since.
func (m *Cache) Commit() {
	m.undo.on, m.undo.heads = false, nil
	for h := range m.heads {
		u := &m.heads[h].undo
		if u.old = 0; len(u.gone) > attn.Block {
			*u = headUndo{} // room for one that goes with each token is worth keeping
		}
		u.gone, u.saved = u.gone[:0], 0
		u.stash.Clear()
	}
}

// Rollback goes back to the checkpoint: entries that came since then are
// dropped, and those that were dropped are back, with the counts of then.
func (m *Cache) Rollback() {
	if !m.undo.on {
		return
	}
	if m.undo.heads != nil {
		m.heads = m.undo.heads
	}
	for h := range m.heads {
		m.heads[h].goBack()
	}
	if m.sums = m.sums[:0]; len(m.undo.sums) == 0 {
		m.sums = nil
	}
	for q, s := range m.undo.sums {
		if q < cap(m.sums) {
			m.sums = m.sums[:q+1]
		} else {
			m.sums = append(m.sums, nil)
		}
		m.sums[q] = append(m.sums[q][:0], s...)
	}
	m.Commit()
}

// forget sets the entries aside that are not in idx, which ascends.
func (c *cacheHead) forget(idx []int) {
	u := &c.undo
	if kept, _ := slices.BinarySearch(idx, u.old); kept == u.old {
		return
	}
	before, i, n := u.gone, 0, u.old+len(u.gone)
	u.gone = make([]gone, 0, n)
	for at := range n {
		switch {
		case len(before) > 0 && before[0].at == at:
			u.gone, before = append(u.gone, before[0]), before[1:]
			continue
		case len(idx) > 0 && idx[0] == i:
			idx = idx[1:]
		default:
			u.gone = append(u.gone, c.save(i, at))
		}
		i++
	}
	u.old = n - len(u.gone)
}

// forgetOne is forget of entry i alone, which was there at the checkpoint.
func (c *cacheHead) forgetOne(i int) {
	u, at, j := &c.undo, i, 0
	for j < len(u.gone) && u.gone[j].at <= at {
		at++
		j++
	}
	u.gone = slices.Insert(u.gone, j, c.save(i, at))
	u.old--
}

func (c *cacheHead) save(i, at int) gone {
	u := &c.undo
	c.kv.Save(&u.stash, i)
	u.saved++
	return gone{at: at, stash: u.saved - 1, pos: c.pos[i]}
}

// goBack makes the head what it was at the checkpoint, from the last entry to
// the first, since none has to move towards the front.
func (c *cacheHead) goBack() {
	u := &c.undo
	n, live := u.old+len(u.gone), u.old-1
	c.kv.Grow(n)
	c.pos = slices.Grow(c.pos[:u.old], len(u.gone))[:n]
	for at := n - 1; at > live; at-- {
		if g := len(u.gone) - 1; u.gone[g].at == at {
			c.kv.Restore(at, &u.stash, u.gone[g].stash)
			c.pos[at] = u.gone[g].pos
			u.gone = u.gone[:g]
			continue
		}
		c.kv.Move(at, live)
		c.pos[at] = c.pos[live]
		live--
	}
}

// setAside replaces the heads, and keeps those that a rollback needs.
func (m *Cache) setAside(heads []cacheHead) {
	if m.undo.on && m.undo.heads == nil {
		m.undo.heads = m.heads
		for h := range m.heads {
			if u := &m.heads[h].undo; u.old+len(u.gone) == 0 {
				m.heads[h] = cacheHead{kv: attn.NewKV(m.dim, m.kind)} // a prompt's are not kept for nothing
			}
		}
	}
	m.heads = heads
}
