package conv

// Axis is one direction of a convolution: position i of the result meets position
// Stride*i + First + Step*t of the input, which is there if it is from 0 to Size-1,
// with tap t.
type Axis struct {
	N, Stride, First, Step, Taps, Size int
}

// At returns where tap t of position i reads.
func (a Axis) At(i, t int) int { return a.Stride*i + a.First + a.Step*t }

// Clip returns the taps [lo, hi) of position i that are there.
func (a Axis) Clip(i int) (lo, hi int) {
	lo, hi = 0, a.Taps
	for lo < hi && a.At(i, lo) < 0 {
		lo++
	}
	for lo < hi && a.At(i, hi-1) >= a.Size {
		hi--
	}
	return lo, hi
}

// Inner returns the positions [lo, hi) all of whose taps are there.
func (a Axis) Inner() (lo, hi int) {
	for lo < a.N && a.At(lo, 0) < 0 {
		lo++
	}
	hi = a.N
	for hi > lo && a.At(hi-1, a.Taps-1) >= a.Size {
		hi--
	}
	return lo, hi
}

// sides tells whether there are three taps and no position lacks more of them than
// position 0 its first and position N-1 its last.
func (a Axis) sides() bool {
	left, right := a.Inner()
	lo, most := a.Clip(0)
	least, hi := a.Clip(a.N - 1)
	return a.Taps == 3 && left < right && left <= 1 && a.N-right <= 1 && lo <= 1 && most == 3 && least == 0 && hi >= 2
}

// inside tells whether no tap is in the padding.
func (a Axis) inside() bool { return a.First >= 0 && a.At(a.N-1, a.Taps-1) < a.Size }

func (s *Shape) axes() (h, w Axis) {
	return Axis{s.OutH, s.StrideH, -s.Top, s.DilationH, s.KH, s.H}, Axis{s.OutW, s.StrideW, -s.Left, s.DilationW, s.KW, s.W}
}

// A phase is the part of an adjoint that falls on positions From, From+Every, ...
// of x: a convolution of y. Tap t of it is tap Tap - TapStep*t of the kernel.
type phase struct {
	Axis
	from, every  int
	tap, tapStep int
}

// phaseOf returns the phase of an axis of taps, dilated by step, whose position i
// of the n of y meets x at stride*i - pad + step*tap.
func phaseOf(from, stride, pad, step, taps, n, size int) phase {
	p := phase{from: from, every: stride, tapStep: stride / gcd(stride, step)}
	p.Axis = Axis{N: (size - from + stride - 1) / stride, Stride: 1, Step: step / gcd(stride, step), Size: n}
	first := 0
	for first < min(taps, p.tapStep) && mod(from+pad-first*step, stride) != 0 {
		first++
	}
	if first >= min(taps, p.tapStep) {
		return p // no tap falls here
	}
	p.Taps = (taps - first + p.tapStep - 1) / p.tapStep
	p.tap = first + (p.Taps-1)*p.tapStep
	p.First = (from + pad - p.tap*step) / stride // exact
	return p
}

func mod(a, n int) int { return (a%n + n) % n }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
