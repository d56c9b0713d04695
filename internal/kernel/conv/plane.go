package conv

// A plane is some channels of images that are read or written in tiles: tile (i, j)
// begins at pixel (2i + top, 2j + left) and has side x side pixels, of which those
// outside the image read as zero and are not written.
type plane struct {
	pixels     []float32
	h, w       int // of an image
	width      int // channels of a pixel
	from       int // first channel
	channels   int
	top, left  int
	side       int
	down, over int // tiles of an image
}

// A stretch is neighbouring tiles in a row of an image.
type stretch struct{ image, row, column, n int }

// stretch returns how far tiles [lo, hi) of all images go on in a row.
func (p *plane) stretch(lo, hi int) stretch {
	s := stretch{image: lo / (p.down * p.over), row: lo / p.over % p.down, column: lo % p.over}
	s.n = min(hi-lo, p.over-s.column)
	return s
}

// inner returns the tiles [lo, hi) of a stretch, counted from its first, that lie
// inside the image.
func (p *plane) inner(s stretch) (lo, hi int) {
	if r := 2*s.row + p.top; r < 0 || r+p.side > p.h {
		return 0, 0
	}
	for hi = s.n; hi > 0 && 2*(s.column+hi-1)+p.left+p.side > p.w; {
		hi--
	}
	for lo < hi && 2*(s.column+lo)+p.left < 0 {
		lo++
	}
	return lo, hi
}

// at returns the pixels of an image from one on.
func (p *plane) at(image, row, column int) []float32 {
	return p.pixels[((image*p.h+row)*p.w+column)*p.width+p.from:]
}

// border is the numbers that the buffer of read and write holds.
func (p *plane) border() int { return p.side * (2*p.over + p.side - 2) * p.channels }

// read makes tiles [lo, hi) of all images: number xi of tile i is at xi*s.xi +
// (i-lo)*s.tile of to.
func (p *plane) read(f func(s *tileStrip), s *tileStrip, buf, to []float32, lo, hi int) {
	for i := lo; i < hi; {
		t := p.stretch(i, hi)
		from, end := p.inner(t)
		p.edge(f, s, buf, to[(i-lo)*s.tile:], t, 0, from)
		if from < end {
			s.image, s.row, s.pixel = p.at(t.image, 2*t.row+p.top, 2*(t.column+from)+p.left), p.w*p.width, p.width
			p.kernel(f, s, to[(i-lo+from)*s.tile:], end-from)
		}
		p.edge(f, s, buf, to[(i-lo)*s.tile:], t, end, t.n)
		i += t.n
	}
}

// kernel calls f for n tiles, 16 channels at a time.
func (p *plane) kernel(f func(s *tileStrip), s *tileStrip, tiles []float32, n int) {
	image := s.image
	for c := 0; c < p.channels; c += lanes {
		s.tiles, s.image, s.n, s.channels = tiles[c:], image[c:], n, min(lanes, p.channels-c)
		s.check(p.side)
		f(s)
	}
}

// edge reads tiles [from, to) of a stretch by way of a buffer, with zeros for what
// is outside the image.
func (p *plane) edge(f func(s *tileStrip), s *tileStrip, buf, tiles []float32, t stretch, from, to int) {
	if from >= to {
		return
	}
	c, columns, left := p.channels, 2*(to-from)+p.side-2, 2*(t.column+from)+p.left
	lo := min(max(0, -left), columns)
	hi := max(lo, min(columns, p.w-left))
	for a := range p.side {
		line := buf[a*columns*c:][:columns*c]
		row := 2*t.row + p.top + a
		if row < 0 || row >= p.h || lo == hi {
			clear(line)
			continue
		}
		clear(line[:lo*c])
		clear(line[hi*c:])
		x := p.at(t.image, row, left+lo)
		if p.width == c {
			copy(line[lo*c:hi*c], x)
			continue
		}
		for j := lo; j < hi; j++ {
			copy(line[j*c:][:c], x[(j-lo)*p.width:])
		}
	}
	s.image, s.row, s.pixel = buf, columns*c, c
	p.kernel(f, s, tiles[from*s.tile:], to-from)
}

// write sets the pixels of tiles [lo, hi) of all images to transforms by f, or adds
// these to them; tiles are as in read.
func (p *plane) write(f func(s *tileStrip), s *tileStrip, buf, tiles []float32, lo, hi int, add bool) {
	for i := lo; i < hi; {
		t := p.stretch(i, hi)
		from, end := p.inner(t)
		if from < end {
			s.image, s.row, s.pixel, s.add = p.at(t.image, 2*t.row, 2*(t.column+from)), p.w*p.width, p.width, add
			p.kernel(f, s, tiles[(i-lo+from)*s.tile:], end-from)
		}
		if end < t.n {
			p.writeEdge(f, s, buf, tiles[(i-lo+end)*s.tile:], t, end, add)
		}
		i += t.n
	}
}

// writeEdge writes the tiles of a stretch from one on that reach past the image.
func (p *plane) writeEdge(f func(s *tileStrip), s *tileStrip, buf, tiles []float32, t stretch, from int, add bool) {
	c, columns, left := p.channels, 2*(t.n-from), 2*(t.column+from)
	s.image, s.row, s.pixel, s.add = buf, columns*c, c, false
	p.kernel(f, s, tiles, t.n-from)
	for a := range min(p.side, p.h-2*t.row) {
		line := buf[a*columns*c:][:min(columns, p.w-left)*c]
		y := p.at(t.image, 2*t.row+a, left)
		if !add && p.width == c {
			copy(y, line)
			continue
		}
		for j := 0; len(line) > 0; j++ {
			for k, v := range line[:c] {
				if add {
					v += y[j*p.width+k]
				}
				y[j*p.width+k] = v
			}
			line = line[c:]
		}
	}
}
