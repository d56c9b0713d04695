package conv

import (
	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kernel/gemm"
)

const (
	fewTerms   = gemm.Segment // kernels of no more are read as patches
	fewColumns = 16           // and so are results of fewer
	tilePixels = 512          // of a tile, about
	tileFloats = 128 << 10    // of a tile's patches, at most if it has several rows
)

// A source is how the pixels of a result read their input: as a matrix [pixels,
// terms] that a tile of rows of pixels is made into.
type source struct {
	k        *kernels
	x        []float32
	h, w     Axis
	width    int // channels of x
	channels int // of a group
	direct   bool
	patches  bool
	rows     int // of a tile
	tiles    int // of an image
	runs     int
	run      int // terms of each
}

func newSource(t cpu.Tier, x []float32, h, w Axis, width, groups int) source {
	s := source{k: tier(t), x: x, h: h, w: w, width: width, channels: width / groups}
	terms := h.Taps * w.Taps * s.channels
	s.direct = h.Taps*w.Taps == 1 && h.inside() && w.inside()
	s.patches = !s.direct && (terms <= fewTerms || w.N < fewColumns)
	s.rows = max(1, min(h.N, tilePixels/w.N))
	if s.patches {
		s.rows = max(1, min(s.rows, tileFloats/(w.N*terms)))
	}
	s.tiles = (h.N + s.rows - 1) / s.rows
	s.runs, s.run = 1, terms
	if !s.direct && !s.patches {
		s.runs, s.run = h.Taps, w.Taps*s.channels
		if w.Step != 1 {
			s.runs, s.run = h.Taps*w.Taps, s.channels
		}
	}
	return s
}

// span is the columns of input that a row of the result reads.
func (s *source) span() int { return (s.w.N-1)*s.w.Stride + (s.w.Taps-1)*s.w.Step + 1 }

// floats is the buffer that a tile needs, with 16 numbers that may be read past it.
func (s *source) floats() int {
	switch {
	case s.direct:
		return 0
	case s.patches:
		return s.rows*s.w.N*s.run*s.runs + gemm.Lanes
	}
	return ((s.rows-1)*s.h.Stride+(s.h.Taps-1)*s.h.Step+1)*s.span()*s.channels + gemm.Lanes
}

// A tile is some rows of pixels of an image.
type tile struct {
	a      []float32
	stride int // from a pixel to the next
	row    int // from a row of pixels to the next
	joined bool
	from   int // first row
	rows   int
}

// load makes tile i of image n, for a group.
func (s *source) load(buf []float32, n, i, group int) tile {
	t := tile{from: i * s.rows, a: buf}
	t.rows = min(s.rows, s.h.N-t.from)
	x := s.x[n*s.h.Size*s.w.Size*s.width:][:s.h.Size*s.w.Size*s.width]
	switch {
	case s.direct:
		t.stride, t.row = s.w.Stride*s.width, s.h.Stride*s.w.Size*s.width
		t.a = x[(s.h.At(t.from, 0)*s.w.Size+s.w.First)*s.width+group*s.channels:]
	case s.patches:
		t.stride, t.row = s.run, s.w.N*s.run
		s.patch(buf, x, t, group)
	default:
		t.stride, t.row = s.w.Stride*s.channels, s.h.Stride*s.span()*s.channels
		s.pad(buf, x, t, group)
	}
	t.joined = t.row == s.w.N*t.stride
	return t
}

// offset is where run r begins in the first pixel.
func (s *source) offset(r int) int {
	if s.runs == 1 {
		return 0
	}
	row := s.h.Step * s.span() * s.channels
	if s.w.Step == 1 {
		return r * row
	}
	return r/s.w.Taps*row + r%s.w.Taps*s.w.Step*s.channels
}

// pad copies the rows of input that a tile reads, and zeros for the padding.
func (s *source) pad(buf, x []float32, t tile, group int) {
	span, c := s.span(), s.channels
	rows := (t.rows-1)*s.h.Stride + (s.h.Taps-1)*s.h.Step + 1
	lo := min(max(0, -s.w.First), span)
	hi := max(lo, min(span, s.w.Size-s.w.First))
	for r := range rows {
		dst := buf[r*span*c:][:span*c]
		at := s.h.At(t.from, 0) + r
		if at < 0 || at >= s.h.Size {
			clear(dst)
			continue
		}
		clear(dst[:lo*c])
		clear(dst[hi*c:])
		if lo < hi {
			s.pixels(dst[lo*c:hi*c], x[(at*s.w.Size+lo+s.w.First)*s.width+group*c:], s.width)
		}
	}
}

// patch copies all terms of each pixel: those of pixels that lack none together.
func (s *source) patch(buf, x []float32, t tile, group int) {
	c, pixel := s.channels, s.w.Step*s.width
	line, taps := s.w.Taps*c, s.w.Taps
	if pixel == c {
		taps = 1 // they are neighbours
	}
	left, right := s.w.Inner()
	for i := range t.rows {
		for k := range s.h.Taps {
			at := s.h.At(t.from+i, k)
			there := at >= 0 && at < s.h.Size
			dst := buf[i*s.w.N*s.run+k*line:]
			if there && left < right {
				src := x[(at*s.w.Size+s.w.At(left, 0))*s.width+group*c:]
				for b := range taps {
					s.k.rows(dst[left*s.run+b*c:], s.run, src[b*pixel:], s.w.Stride*s.width, right-left, line/taps)
				}
			}
			for j := range s.w.N {
				if there && left <= j && j < right {
					continue
				}
				dst := dst[j*s.run:][:line]
				lo, hi := 0, 0
				if there {
					lo, hi = s.w.Clip(j)
				}
				clear(dst[:lo*c])
				clear(dst[hi*c:])
				if lo < hi {
					s.pixels(dst[lo*c:hi*c], x[(at*s.w.Size+s.w.At(j, lo))*s.width+group*c:], pixel)
				}
			}
		}
	}
}

// pixels fills dst with a group's channels of pixels that are stride apart.
func (s *source) pixels(dst, src []float32, stride int) {
	c := s.channels
	if stride == c {
		few(dst, src)
		return
	}
	s.k.rows(dst, c, src, stride, len(dst)/c, c)
}

// few is copy; for a few numbers a loop is faster than the call.
func few(dst, src []float32) {
	if len(dst) > 16 {
		copy(dst, src)
		return
	}
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] = v
	}
}
