package pass_test

import (
	"errors"
	"testing"

	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
)

func TestInputIsTakenOnce(t *testing.T) {
	e := engine(t, newUnet(), pass.Options{})
	s := &pass.Seq{Input: make([]float32, 32)}
	through(t, e, s)
	if _, err := e.Begin(s); !errors.Is(err, pass.ErrEmpty) {
		t.Errorf("the same image again: %v, want ErrEmpty", err)
	}
	p := begin(t, e, s, &pass.Seq{Input: make([]float32, 32)})
	if n := len(p.Rows()); n != 1 {
		t.Errorf("with a new image beside it: %d rows, want 1", n)
	}
}

func TestTargetIsTakenOnce(t *testing.T) {
	e := engine(t, newEncdec(), pass.Options{})
	s := &pass.Seq{Target: []int32{1, 2, 3}}
	p, err := e.BeginAt(3, s)
	must(t, err)
	wantPositions(t, "first", positions(p.Rows()), 0, 1, 2)
	p.End()
	if _, err := e.BeginAt(3, s); !errors.Is(err, pass.ErrEmpty) {
		t.Errorf("the same target again: %v, want ErrEmpty", err)
	}
	s.Target = append(s.Target, 4)
	p, err = e.BeginAt(3, s)
	must(t, err)
	wantPositions(t, "one more", positions(p.Rows()), 3)
	for _, at := range []int{-1, 6} {
		if _, err := e.BeginAt(at, s); !errors.Is(err, pass.ErrBoundary) {
			t.Errorf("begin at %d: %v, want ErrBoundary", at, err)
		}
	}
}

// An encoder runs once; its output goes along with the sequence into steps of
// the decoder, alone or in a batch.
func TestEncoderOutputServesDecoderSteps(t *testing.T) {
	e := engine(t, newEncdec(), pass.Options{})
	source := [][]int32{tokens(1, 7, edVocab), tokens(3, 4, edVocab)}
	target := [][]int32{tokens(2, 5, edVocab), tokens(4, 5, edVocab)}
	var want [][]float32
	for i := range source {
		want = append(want, through(t, e, &pass.Seq{Tokens: source[i], Target: target[i]}))
	}
	// The first target token runs with the encoder, the others in steps.
	var seqs []*pass.Seq
	for i := range source {
		s := &pass.Seq{Tokens: source[i], Target: target[i][:1:1]}
		p := begin(t, e, s)
		must(t, p.Run(bg, 0, 3))
		saved, err := p.Save(nil)
		must(t, err)
		must(t, p.Run(bg, 3, 5))
		passtest.Same(t, "the first step", logits(t, p), want[i][:edVocab])
		p.End()
		s.Side = saved.Side
		seqs = append(seqs, s)
	}
	for step := 1; step < 5; step++ {
		for i, s := range seqs {
			s.Target = append(s.Target, target[i][step])
		}
		p, err := e.BeginAt(3, seqs...)
		must(t, err)
		must(t, p.Run(bg, 3, 5))
		got := logits(t, p)
		for i := range seqs {
			passtest.Same(t, "a step", got[i*edVocab:(i+1)*edVocab], want[i][step*edVocab:(step+1)*edVocab])
		}
		p.End()
	}
}

func TestMissingSideIsNamed(t *testing.T) {
	e := engine(t, newEncdec(), pass.Options{})
	p, err := e.BeginAt(3, &pass.Seq{Target: []int32{1}})
	must(t, err)
	wantError(t, p.Run(bg, 3, 5), "dec.0", `"encoder"`)
}
