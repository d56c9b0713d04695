package pass

import "slices"

// undo is a memory that goes back to what it was if the pass fails: a KV to
// its own checkpoint, with the entries that have been dropped since, and any
// other to mark.
type undo struct {
	mem  Memory
	mark Mark
}

// Remember notes the state of a memory that isn't a KV before a layer
// changes it, so that a failed pass can put it back.
func (s *State) Remember(m Memory) {
	s.p.undo = append(s.p.undo, undo{mem: m, mark: m.Snapshot()})
}

// checkpoint notes the state of a KV, once for all tiles of a layer.
func (s *State) checkpoint(m *KV) {
	p := s.p
	if slices.ContainsFunc(p.undo[p.undoLayer:], func(u undo) bool { return u.mem == Memory(m) }) {
		return
	}
	m.Checkpoint()
	p.undo = append(p.undo, undo{mem: m})
}

func (p *Pass) rollback(to int) {
	for i := len(p.undo) - 1; i >= to; i-- {
		u := &p.undo[i]
		if kv, ok := u.mem.(*KV); ok {
			kv.Rollback()
		} else {
			_ = u.mem.Restore(u.mark) // its own mark: can't fail
		}
		*u = undo{}
	}
	p.undo = p.undo[:to]
}

// commit gives up what a failed pass would need: the pass has come through, or
// nobody goes on with it.
func (p *Pass) commit() {
	for i := range p.undo {
		if kv, ok := p.undo[i].mem.(*KV); ok {
			kv.Commit()
		}
		p.undo[i] = undo{}
	}
	p.undo, p.undoLayer = p.undo[:0], 0
}

// abort ends a pass that failed and puts its sequences back.
func (p *Pass) abort() {
	if p.ended {
		return
	}
	p.rollback(0)
	for i, q := range p.seqs {
		if i < len(p.starts) {
			s := p.starts[i]
			q.reserve, q.taken, q.targetTaken, q.next, q.shifts = s.reserve, s.taken, s.target, s.next, q.shifts[:s.shifts]
		}
	}
	p.End()
}
