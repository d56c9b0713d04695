package attn

import (
	"github.com/micaml/mica/internal/cpu"
)

// Probs writes each row's probabilities, those of Forward: dst[r*ld+j] for the
// entries j < ld, 0 where the row does not look. q.M and q.L are Forward's.
func (s *Scratch) Probs(kv *KV, q *Rows, dst []float32, ld int) {
	s.probs(cpu.Kernels(), kv, q, dst, ld)
}

func (s *Scratch) probs(t cpu.Tier, kv *KV, q *Rows, dst []float32, ld int) {
	kv.check(q, true)
	rows := len(q.N)
	if rows == 0 {
		return
	}
	need("rows of probabilities", ld, q.N[rows-1])
	need("probabilities", len(dst), rows*ld)
	clear(dst[:rows*ld])
	s.again(t, kv, q, dst, ld, false)
}

// ColumnSums adds each row's probabilities, rows in ascending order, to sums,
// which holds a number for each entry: the attention that an entry has received.
// Continuing with the rows that follow gives the same bits as one call.
func (s *Scratch) ColumnSums(kv *KV, q *Rows, sums []float32) {
	s.columnSums(cpu.Kernels(), kv, q, sums)
}

func (s *Scratch) columnSums(t cpu.Tier, kv *KV, q *Rows, sums []float32) {
	kv.check(q, true)
	if rows := len(q.N); rows > 0 {
		need("sums", len(sums), q.N[rows-1])
		s.again(t, kv, q, sums, 0, true)
	}
}

// AddProbs is ColumnSums from the scores that Forward, or Part and Join, kept for
// the rows, with the same bits: those of row r are added to sums[r % Heads].
func AddProbs(q *Rows, sums [][]float32) { addProbs(cpu.Kernels(), q, sums) }

func addProbs(t cpu.Tier, q *Rows, sums [][]float32) {
	for r, n := range q.N {
		need("sums", len(sums[r%q.Heads]), n)
		need("scores", len(q.Scores), r*q.Stride+n)
		first := 0
		if q.From != nil {
			first = max(q.From[r], 0) / Block
		}
		for b := first; b < Blocks(n); b++ {
			from, to := q.bounds(r, b*Block)
			at := r*q.Stride + b*Block
			if len(q.Scores) < at+Block {
				// The kernel reads whole blocks.
				var s [Block]float32
				copy(s[:], q.Scores[at:])
				probs(t, sums[r%q.Heads][b*Block:][:to], s[:], mask(from, to), q.Scale, q.M[r], q.L[r], true)
				continue
			}
			probs(t, sums[r%q.Heads][b*Block:][:to], q.Scores[at:at+Block], mask(from, to), q.Scale, q.M[r], q.L[r], true)
		}
	}
}

// again makes the probabilities of each row from its m and l and stores them at
// dst[r*ld], or adds them there.
func (s *Scratch) again(t cpu.Tier, kv *KV, q *Rows, dst []float32, ld int, add bool) {
	s.tier = t
	s.Grow(kv.Dim)
	for lo := 0; lo < len(q.N); lo += rowTile {
		hi := min(lo+rowTile, len(q.N))
		gather(s.q, q.Q, q, lo, hi, kv.Dim)
		first, last := span(q, lo, hi)
		for b := first; b < last; b++ {
			i0, i1 := seeing(q, lo, hi, b*Block)
			s.scores(kv, b, i0, i1, q.seen(lo+i1-1, b*Block))
			for i := i0; i < i1; i++ {
				r := lo + i
				if from, to := q.bounds(r, b*Block); from < to {
					at := r*ld + b*Block
					probs(t, dst[at:at+to], s.s[i*Block:(i+1)*Block], mask(from, to), q.Scale, q.M[r], q.L[r], add)
				}
			}
		}
	}
}
