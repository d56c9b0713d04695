package pass_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// What layers remember of a sequence goes with the sequence: an engine that
// lives on holds no part of it, however its passes ended.
func TestDroppedSequenceIsCollected(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 16})
	for what, use := range map[string]func(s *pass.Seq){
		"ended":  func(s *pass.Seq) { through(t, e, s) },
		"failed": func(s *pass.Seq) { failLate(t, e, s) },
		"cancelled": func(s *pass.Seq) {
			through(t, e, s)
			s.Append(1)
			ctx, stop := context.WithCancel(bg)
			stop()
			if begin(t, e, s).Run(ctx, 0, 3) == nil {
				t.Error("a cancelled run went on")
			}
		},
		"watched and saved": func(s *pass.Seq) {
			must(t, s.Watch("attn.pattern_last", func(pass.At, []float32) {}))
			p := begin(t, e, s)
			must(t, p.Run(bg, 0, 2))
			saved := save(t, p, nil)
			p.End()
			resumed(t, e, saved)
		},
		"never ended": func(s *pass.Seq) { must(t, begin(t, e, s).Run(bg, 0, 3)) },
	} {
		s := pass.NewSeq(tokens(1, 100, 50)...)
		use(s)
		kv := weak.Make(s.Memory(0).(*pass.KV).Cache)
		s = nil
		if !collected(kv) {
			t.Errorf("%s: the keys and values of a dropped sequence are still reachable", what)
		}
	}
	through(t, e, pass.NewSeq(1)) // the engine was alive all the time
}

func failLate(t *testing.T, e *pass.Engine, s *pass.Seq) {
	t.Helper()
	must(t, s.Edit("2.resid_post", func(c *op.Ctx, _ pass.At, x op.Val) op.Val { c.Fail(errBoom); return x }))
	if begin(t, e, s).Run(bg, 0, 3) == nil {
		t.Error("the pass didn't fail")
	}
}

func collected(p weak.Pointer[op.Cache]) bool {
	for range 50 {
		runtime.GC()
		if p.Value() == nil {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// A pass that is kept for its next sequence lets go of the last one.
func TestRestartedPassDropsItsOldSequence(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 100, 50)...)
	p := begin(t, e, s)
	defer p.End()
	must(t, p.Run(bg, 0, 3))
	kv := weak.Make(s.Memory(0).(*pass.KV).Cache)
	s = nil
	must(t, p.Restart(pass.NewSeq(1, 2)))
	must(t, p.Run(bg, 0, 3))
	if !collected(kv) {
		t.Error("the old sequence is still reachable")
	}
	runtime.KeepAlive(p)
}
