package op

// arena hands out float32 buffers and takes them back in the order of a
// stack. Buffers never move, so slices stay good until they are released.
type arena struct {
	chunks [][]float32
	chunk  int // the one in use
	used   int // of it
}

type mark struct{ chunk, used int }

// chunkLen is the smallest chunk: 1 MiB.
const chunkLen = 1 << 18

// align keeps buffers on cache lines of their own (64 bytes).
const align = 16

func (a *arena) mark() mark     { return mark{a.chunk, a.used} }
func (a *arena) release(m mark) { a.chunk, a.used = m.chunk, m.used }

func (a *arena) alloc(n int) []float32 {
	need := (n + align - 1) &^ (align - 1)
	for a.chunk < len(a.chunks) {
		if b := a.chunks[a.chunk]; len(b)-a.used >= need {
			s := b[a.used : a.used+n : a.used+need]
			a.used += need
			return s
		}
		// Too small for this one; the rest of it is lost until release.
		a.chunk++
		a.used = 0
	}
	size := max(chunkLen, need)
	if len(a.chunks) > 0 {
		size = max(size, min(2*len(a.chunks[len(a.chunks)-1]), 64*chunkLen))
	}
	a.chunks = append(a.chunks, make([]float32, size))
	a.chunk = len(a.chunks) - 1
	a.used = need
	return a.chunks[a.chunk][:n:need]
}
