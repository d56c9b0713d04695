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
	// Attended is called when a pass has taken its rows of the sequence
	// through a layer: at once in the first pass over the sequence, and in
	// later ones when the last layer has ended. m may be cut with its Keep
	// and PerQuery; c is for ops, whose values are good during the call.
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

// attended tells the policies of the sequences that have rows in the pass what
// has been run once layer i has. Where a sequence begins, that is layer i
// itself, so that no two layers need hold the whole of a long prompt: should
// the pass fail, nothing was there before it. Later passes wait for their last
// layer, for entries that were there before couldn't be put back.
func (p *Pass) attended(i int) error {
	for r, row := range p.rows {
		if r > 0 && row.Seq == p.rows[r-1].Seq {
			continue
		}
		q, from := p.seqs[row.Seq], i
		if q.policy == nil {
			continue
		}
		if s := p.starts[row.Seq]; s.taken > 0 || s.target > 0 {
			if i < len(p.e.layers)-1 {
				continue
			}
			from = 0
		}
		for l := from; l <= i; l++ {
			if err := p.attendedBy(q, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Pass) attendedBy(q *Seq, layer int) error {
	m, ok := q.mem[layer].(*KV)
	if !ok {
		return nil
	}
	sc := p.c.Open()
	err := q.policy.Attended(p.c, layer, m)
	if err == nil {
		err = p.c.Err()
	}
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	p.c.Close(sc)
	return nil
}
