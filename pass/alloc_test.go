package pass_test

import (
	"fmt"
	"testing"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// A steady step of decoding allocates nothing, also where the widths are no
// multiple of the kernels' 16 columns.
func TestSteadyStepAllocatesNothing(t *testing.T) {
	odd := tinyConfig()
	odd.MLP, odd.Vocabulary = 90, 53
	for name, config := range map[string]lm.Config{"even": tinyConfig(), "odd": odd} {
		for _, c := range []struct {
			kind tensor.DType
			mode op.Mode
		}{{tensor.F32, op.Exact}, {tensor.F32, op.Fast}, {tensor.Q8_0, op.Exact}, {tensor.Q8_0, op.Fast}, {tensor.Q4_0, op.Fast}, {tensor.F16, op.Exact}} {
			if c.kind != tensor.F32 && c.kind != tensor.F16 && config.MLP%32 != 0 {
				config.MLP = 96 // quantised rows are whole blocks of 32; the vocabulary stays odd
			}
			n, err := lm.NewRandom(config, c.kind, 1)
			must(t, err)
			for _, threads := range []int{1, 2} {
				t.Run(fmt.Sprint(name, "/", c.kind, "/", c.mode, "/", threads), func(t *testing.T) {
					noAllocations(t, pass.NewEngine(n, pass.Options{Mode: c.mode, Threads: threads}), 50)
				})
			}
		}
	}
}

func TestSteadyRecurrentStepAllocatesLittle(t *testing.T) {
	e := engine(t, newRecurrent(), pass.Options{Threads: 1})
	s := pass.NewSeq(1)
	s.Reserve(1200)
	p := begin(t, e, s)
	defer p.End()
	step := func() {
		must(t, p.Run(bg, 0, 3))
		s.Append(3)
		must(t, p.Restart(s))
	}
	step()
	step()
	// A snapshot of its state for each layer, and what the toy layer makes.
	if n := testing.AllocsPerRun(100, step); n > 3*12 {
		t.Errorf("a step allocates %v times", n)
	}
}

func noAllocations(t *testing.T, e *pass.Engine, vocabulary int) {
	defer e.Close()
	far := pass.NewSeq(1) // the network makes its rotary table once, in pages
	far.SetNext(256)
	through(t, e, far)
	s := pass.NewSeq(tokens(1, 10, vocabulary)...)
	s.Reserve(1200)
	p := begin(t, e, s)
	defer p.End()
	step := func() {
		if err := p.Run(bg, 0, 3); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Logits(-1); err != nil {
			t.Fatal(err)
		}
		s.Append(3)
		if err := p.Restart(s); err != nil {
			t.Fatal(err)
		}
	}
	many := func() { // past a block of 64 entries
		for range 70 {
			step()
		}
	}
	for range 3 {
		step()
	}
	if n := passtest.Allocs(many); n != 0 {
		t.Errorf("70 steps allocate %v times", n)
	}
	for i := range 3 {
		if err := s.Memory(i).Keep(-1, []int{0, 1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	step() // makes the reserved room again
	if n := passtest.Allocs(many); n != 0 {
		t.Errorf("70 steps after an eviction allocate %v times", n)
	}
}
