package train

import (
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// last is what a task keeps from batch to batch, so that a steady step allocates
// nothing.
type last struct {
	eng  *pass.Engine
	pass *pass.Pass // the one before, which has ended
	seqs []*pass.Seq
}

// begin is eng.BeginTaped on the memory of the pass before. It is to be ended
// before the next one begins.
func (l *last) begin(eng *pass.Engine, c *op.Ctx, seqs []*pass.Seq) (*pass.Pass, error) {
	if l.eng == eng {
		return l.pass, l.pass.RestartTaped(c, seqs...)
	}
	p, err := eng.BeginTaped(c, seqs...)
	if err == nil {
		l.eng, l.pass = eng, p
	}
	return p, err
}

// sequences returns n sequences that begin anew and remember nothing.
func (l *last) sequences(n int) []*pass.Seq {
	for len(l.seqs) < n {
		l.seqs = append(l.seqs, &pass.Seq{Transient: true})
	}
	for _, q := range l.seqs[:n] {
		q.Reset()
	}
	return l.seqs[:n]
}
