package op

import "testing"

// What Room hands out is zero, apart from everything else in use, and let go of when
// its scope is closed; a tape keeps it until then.
func TestRoom(t *testing.T) {
	c := NewCtx(Exact, nil)
	outer := Room[int32](c, 3)
	outer[0] = 1
	for range 3 {
		s := c.Open()
		var all [][]int32
		for n := range 40 { // past the first chunk of 64
			x := Room[int32](c, n)
			if len(x) != n || cap(x) != n {
				t.Fatalf("%d numbers with room for %d, want %d", len(x), cap(x), n)
			}
			for i := range x {
				if x[i] != 0 {
					t.Fatalf("number %d of %d is %d", i, n, x[i])
				}
				x[i] = int32(n)
			}
			all = append(all, x)
			Room[*int](c, 1)[0] = new(int)
		}
		for n, x := range all {
			for i := range x {
				if x[i] != int32(n) {
					t.Fatalf("number %d of %d has become %d", i, n, x[i])
				}
			}
		}
		inner := c.Open()
		Room[int32](c, 100)
		c.Close(inner)
		if c.roomCalls != 1+2*40 {
			t.Fatalf("%d calls hold room after the inner scope, want 81", c.roomCalls)
		}
		c.Close(s)
		if all[39][0] != 0 {
			t.Fatal("what was given back isn't empty")
		}
	}
	if outer[0] != 1 || c.roomCalls != 1 {
		t.Fatalf("the outer scope has %v after %d calls", outer, c.roomCalls)
	}
	for _, r := range c.rooms {
		p, ok := r.(*shelf[*int])
		if !ok {
			continue
		}
		for _, chunk := range p.chunks {
			for _, x := range chunk {
				if x != nil {
					t.Fatal("free room holds on to something")
				}
			}
		}
	}
	c.rec = holder{}
	s := c.Open()
	x := Room[int32](c, 1)
	x[0] = 7
	c.Close(s) // not while a tape records
	if Room[int32](c, 1); x[0] != 7 {
		t.Fatal("a tape lost its room")
	}
}

type holder struct{ Recorder }
