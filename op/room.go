package op

// Room makes n elements of a type, all zero, that live as long as values made
// now do: addresses, settings and other things of ops and layers that a tape
// holds on to. The memory is the context's, so a step that is like the last one
// allocates nothing.
func Room[T any](c *Ctx, n int) []T {
	var s *shelf[T]
	for _, r := range c.rooms {
		if found, ok := r.(*shelf[T]); ok {
			s = found
			break
		}
	}
	if s == nil {
		s = &shelf[T]{}
		c.rooms = append(c.rooms, s)
	}
	c.roomCalls++
	return s.take(n, c.roomCalls)
}

// room is a shelf of some type.
type room interface {
	// release gives back what was taken by calls after a number of them.
	release(calls int)
}

// shelf hands out elements of one type and takes them back in the order of a
// stack. What it has handed out never moves.
type shelf[T any] struct {
	chunks [][]T
	chunk  int // the one in use
	used   int // of it
	taken  []taken
}

// taken is one call of Room: its number, and where the shelf stood before it.
type taken struct{ call, chunk, used int }

// shelfLen is how many elements the smallest chunk has.
const shelfLen = 64

func (s *shelf[T]) take(n, call int) []T {
	s.taken = append(s.taken, taken{call, s.chunk, s.used})
	for ; s.chunk < len(s.chunks); s.chunk, s.used = s.chunk+1, 0 {
		if len(s.chunks[s.chunk])-s.used >= n {
			s.used += n
			return s.chunks[s.chunk][s.used-n : s.used : s.used]
		}
	}
	size := max(shelfLen, n)
	if k := len(s.chunks); k > 0 {
		size = max(size, min(2*len(s.chunks[k-1]), 1<<16))
	}
	s.chunks = append(s.chunks, make([]T, size))
	s.used = n
	return s.chunks[s.chunk][:n:n]
}

func (s *shelf[T]) release(calls int) {
	k := len(s.taken)
	for k > 0 && s.taken[k-1].call > calls {
		k--
	}
	if k == len(s.taken) {
		return
	}
	// What is free is zero: it holds on to nothing.
	to := s.taken[k]
	for at, end := to.chunk, s.used; at <= s.chunk && at < len(s.chunks); at++ {
		if at < s.chunk {
			end = len(s.chunks[at])
		} else {
			end = s.used
		}
		from := 0
		if at == to.chunk {
			from = to.used
		}
		clear(s.chunks[at][from:end])
	}
	s.taken, s.chunk, s.used = s.taken[:k], to.chunk, to.used
}
