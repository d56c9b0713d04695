package pass_test

import (
	"testing"

	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// Blocks of 64 entries of 16 keys and 16 values, float32, padding aside: what
// n entries of every layer and head take at least and at most.
func bytesOf(n int) (least, most int64) {
	blocks := int64((n + 63) / 64)
	return blocks * 3 * 2 * 64 * 32 * 4, blocks * 3 * 2 * 64 * (32 + 16) * 4
}

func TestReserveIsRoomFromTheStart(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{Tile: 64})
	s := pass.NewSeq(tokens(1, 100, 50)...)
	s.Reserve(200)
	through(t, e, s)
	size := s.Bytes()
	if least, most := bytesOf(300); size < least || size > most {
		t.Errorf("room for 300 entries takes %d bytes, want %d to %d", size, least, most)
	}
	for range 200 {
		s.Append(3)
		through(t, e, s)
		if s.Bytes() != size {
			t.Fatalf("with %d entries the memory has grown from %d to %d", s.Memory(0).Len(0), size, s.Bytes())
		}
	}
	for range 64 { // beyond what was reserved
		s.Append(3)
		through(t, e, s)
	}
	if s.Bytes() <= size {
		t.Error("364 entries fit into room for 300")
	}
}

// A cache that is cut after every few steps stays small, even though the
// prompt had reserved room.
func TestEvictionGivesMemoryBackForGood(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 500, 50)...)
	s.Reserve(100)
	p := begin(t, e, s)
	defer p.End()
	must(t, p.Run(bg, 0, 3))
	full := s.Bytes()
	if least, _ := bytesOf(600); full < least {
		t.Fatalf("600 entries in %d bytes", full)
	}
	kept := []int{0, 1, 2, 490, 491, 492, 493}
	for i := range 3 {
		must(t, s.Memory(i).Keep(-1, kept))
	}
	if _, most := bytesOf(len(kept)); s.Bytes() > most {
		t.Errorf("%d bytes for %d entries, want at most %d", s.Bytes(), len(kept), most)
	}
	for step := range 100 {
		s.Append(3)
		must(t, p.Restart(s))
		must(t, p.Run(bg, 0, 3))
		if _, most := bytesOf(len(kept) + 100); s.Bytes() > most {
			t.Fatalf("step %d: %d bytes came back, want at most %d", step, s.Bytes(), most)
		}
		if step%10 == 9 {
			for i := range 3 {
				must(t, s.Memory(i).Keep(-1, []int{0, 1, 2, 3, 4, 5, 6}))
			}
		}
	}
	if _, most := bytesOf(7); s.Bytes() > most {
		t.Errorf("in the end %d bytes for 7 entries", s.Bytes())
	}
}

func TestTruncateThenReserveAgain(t *testing.T) {
	e := engine(t, decoder(t, tensor.F32), pass.Options{})
	s := pass.NewSeq(tokens(1, 10, 50)...)
	for range 3 {
		s.Reserve(50)
		through(t, e, s)
		size := s.Bytes()
		for range 50 {
			s.Append(2)
			through(t, e, s)
		}
		if s.Bytes() != size {
			t.Errorf("50 reserved steps grew the memory from %d to %d", size, s.Bytes())
		}
		for i := range 3 {
			must(t, s.Memory(i).Truncate(10))
		}
		s.SetNext(10)
		s.Append(1)
	}
}
