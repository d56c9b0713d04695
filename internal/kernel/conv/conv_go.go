package conv

import "github.com/micaml/mica/internal/f32"

// kernels are the kernels of a tier.
type kernels struct {
	depthwise func(s *strip)
	three     func(s *strip) // for kernels of three columns, xs = xtap
	grad      func(s *gradStrip)
	gradThree func(s *gradStrip) // for kernels of three columns, all rows at once
	// copyRows copies rows of width numbers, ds and ss apart.
	copyRows func(dst []float32, ds int, src []float32, ss, rows, width int)
	winograd winogradKernels
}

// strip is some pixels of a row of the result, of at most 16 channels: pixel i is
// the sum of kh x kw taps of x, which begins with its first one.
type strip struct {
	y              []float32
	ys             int // from a pixel to the next
	x              []float32
	xs, xrow, xtap int // from a pixel, a kernel row, a tap to the next
	w              []float32
	wrow, wtap     int
	kh, kw         int
	n, channels    int
	add            bool
	// For three: the first pixel lacks its first tap, the last one its last.
	left, right bool
}

// lacks is how many columns of x on the strip's sides are not there.
func (s *strip) lacks() int { return lacking(s.left, s.right) }

func lacking(left, right bool) int {
	n := 0
	for _, side := range [2]bool{left, right} {
		if side {
			n++
		}
	}
	return n
}

// check keeps wrong shapes from the assembly, which checks nothing.
func (s *strip) check() {
	need("y of a strip", len(s.y), (s.n-1)*s.ys+s.channels)
	need("x of a strip", len(s.x), (s.n-1)*s.xs+(s.kh-1)*s.xrow+(s.kw-1)*s.xtap+s.channels-s.lacks()*s.xs)
	need("weights of a strip", len(s.w), (s.kh-1)*s.wrow+(s.kw-1)*s.wtap+lanes)
	if min(s.n, s.kh, s.kw, s.channels) < 1 || s.channels > lanes {
		panic("conv: empty strip, or more than 16 channels")
	}
	if s.lacks() > 0 && (s.kw != 3 || s.xs != s.xtap) {
		panic("conv: a strip with sides of another shape")
	}
}

// gradStrip adds to the sums of taps, in dw, the products of n pixels of x and dy.
type gradStrip struct {
	dw          []float32
	wtap        int
	x           []float32
	xs, xtap    int
	dy          []float32
	ys          int
	taps        int // 1 to 3
	n, channels int
	// For gradThree, whose dw gets the sums of lines, each begun at +0: kernel rows,
	// 1 to 3; lines; and the first pixel of a line lacks its first tap, the last one
	// its last.
	kh, xrow     int
	lines        int
	xline, yline int // from a line to the next
	left, right  bool
}

func (s *gradStrip) check() {
	rows, lines, lacks := max(1, s.kh), max(1, s.lines), lacking(s.left, s.right)
	need("dw of a strip", len(s.dw), (rows*s.taps-1)*s.wtap+lanes)
	need("x of a strip", len(s.x), (lines-1)*s.xline+(s.n-1)*s.xs+(rows-1)*s.xrow+(s.taps-1-lacks)*s.xtap+s.channels)
	need("dy of a strip", len(s.dy), (lines-1)*s.yline+(s.n-1)*s.ys+s.channels)
	if min(s.n, s.channels) < 1 || s.channels > lanes || s.taps < 1 || s.taps > 3 {
		panic("conv: empty strip, or more than 16 channels, or not 1 to 3 taps")
	}
	if (s.kh > 0 || lacks > 0) && (s.taps != 3 || s.kh > 3 || s.lines < 1) || s.n < lacks {
		panic("conv: lines of a strip of another shape")
	}
}

var plain = kernels{depthwiseGo, depthwiseThreeGo, depthwiseGradGo, depthwiseGradThreeGo, copyRowsGo, plainWinograd}

func depthwiseGo(s *strip) {
	for i := range s.n {
		for c := range s.channels {
			var acc float32
			for a := range s.kh {
				for b := range s.kw {
					acc = f32.FMA(s.x[i*s.xs+a*s.xrow+b*s.xtap+c], s.w[a*s.wrow+b*s.wtap+c], acc)
				}
			}
			if s.add {
				acc += s.y[i*s.ys+c]
			}
			s.y[i*s.ys+c] = acc
		}
	}
}

// depthwiseThreeGo takes the pixels on the sides apart.
func depthwiseThreeGo(s *strip) {
	for i := range s.n {
		one := *s
		one.n, one.y, one.x = 1, s.y[i*s.ys:], s.x
		if s.left && i > 0 {
			one.x = s.x[(i-1)*s.xs:]
		} else if !s.left {
			one.x = s.x[i*s.xs:]
		}
		if s.left && i == 0 {
			one.kw, one.w = one.kw-1, s.w[s.wtap:]
		}
		if s.right && i == s.n-1 {
			one.kw--
		}
		depthwiseGo(&one)
	}
}

func depthwiseGradGo(s *gradStrip) {
	for t := range s.taps {
		for c := range s.channels {
			acc := s.dw[t*s.wtap+c]
			for i := range s.n {
				acc = f32.FMA(s.x[i*s.xs+t*s.xtap+c], s.dy[i*s.ys+c], acc)
			}
			s.dw[t*s.wtap+c] = acc
		}
	}
}

// depthwiseGradThreeGo adds up a tap at a time.
func depthwiseGradThreeGo(s *gradStrip) {
	for line := range s.lines {
		for tap := range 3 * s.kh {
			at, dy := line*s.xline+tap/3*s.xrow+tap%3*s.xtap, s.dy[line*s.yline:]
			lo, hi := 0, s.n // the pixels that have the tap
			if s.left {
				if at -= s.xtap; tap%3 == 0 {
					lo = 1
				}
			}
			if s.right && tap%3 == 2 {
				hi--
			}
			for c := range s.channels {
				var acc float32
				for i := lo; i < hi; i++ {
					acc = f32.FMA(s.x[at+i*s.xs+c], dy[i*s.ys+c], acc)
				}
				s.dw[tap*s.wtap+c] += acc
			}
		}
	}
}

func copyRowsGo(dst []float32, ds int, src []float32, ss, rows, width int) {
	for i := range rows {
		copy(dst[i*ds:][:width], src[i*ss:])
	}
}

// rows copies rows of width numbers, ds and ss apart, if there are any.
func (k *kernels) rows(dst []float32, ds int, src []float32, ss, rows, width int) {
	if rows <= 0 || width <= 0 {
		return
	}
	need("rows to copy to", len(dst), (rows-1)*ds+width)
	need("rows to copy", len(src), (rows-1)*ss+width)
	k.copyRows(dst, ds, src, ss, rows, width)
}
