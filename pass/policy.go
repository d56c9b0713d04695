package pass

import (
	"errors"
	"fmt"

	"github.com/micaml/mica/op"
)

// Policy decides what layers remember of a sequence: it sees the queries of
// each layer before they attend, and may drop entries afterwards. Package keep
// has the methods.
type Policy interface {
	// Attending is called before rows attend; a long prompt comes in tiles,
	// in order. It must not drop entries.
	Attending(a Attending) error
	// Attended is called when all of a pass's rows of the sequence have
	// attended in a layer. m may be cut with its Keep, Drop and PerQuery: if
	// the pass fails in the end, all is as it was. c is for ops, whose values
	// are good during the call.
	Attended(c *op.Ctx, layer int, m *KV) error
}

// Attending is rows of one sequence in one layer that are about to attend.
type Attending struct {
	Layer   int
	Rows    []Row
	Heads   Heads
	Queries []float32 // [len(Rows), H*Dh], as attention takes them
	KV      *KV       // what the layer remembers, without these rows
}

// SetPolicy puts p in charge of what layers remember of the sequence; nil:
// they remember everything. With a policy, room made by [Seq.Reserve] is for
// tokens only: how much memory they will take is the policy's to say.
func (q *Seq) SetPolicy(p Policy) { q.policy = p }

// errTapedPolicy: what a tape has recorded must not be dropped.
var errTapedPolicy = errors.New("pass: a taped pass over a sequence with a policy")

// attending tells a group's policy of its queries.
func (s *State) attending(g Group, q op.Val, m *KV, h Heads) error {
	if len(s.p.peek) > 0 {
		return nil
	}
	w := h.Query * h.Dim
	return g.Seq.policy.Attending(Attending{Layer: s.layer, Rows: s.Rows[g.From:g.To], Heads: h,
		Queries: s.p.c.Data(q)[g.From*w : g.To*w], KV: m})
}

// attended tells a group's policy that its last rows have attended: at once, so
// that no two layers need hold the whole of a long prompt, and while what the
// layer remembers is still in the processor's cache.
func (s *State) attended(g Group) {
	m, ok := s.Memory(g).(*KV)
	if !ok || len(s.p.peek) > 0 || !s.last(g) {
		return
	}
	c := s.p.c
	sc := c.Open()
	err := g.Seq.policy.Attended(c, s.layer, m)
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		c.ClearErr()
		c.Fail(fmt.Errorf("policy: %w", err))
		return
	}
	c.Close(sc)
}
