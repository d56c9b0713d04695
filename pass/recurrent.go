package pass

import "fmt"

// Recurrent returns what recurrent ops and layers take: the number of rows of each
// sequence, and what the layer, whose memory is a [Recurrent], remembers of it. The
// rows count as remembered from here on; should the pass fail, they are forgotten.
func (s *State) Recurrent() (runs []int32, state [][]float32, err error) {
	for _, g := range s.groups {
		m, ok := s.Memory(g).(*Recurrent)
		if !ok {
			return nil, nil, fmt.Errorf("pass: layer %d has no recurrent memory", s.layer)
		}
		s.Remember(m)
		n := g.To - g.From
		m.Advance(n)
		runs, state = append(runs, int32(n)), append(state, m.State)
	}
	return runs, state, nil
}
