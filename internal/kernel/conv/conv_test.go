package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/internal/par"
)

// call runs one kernel of a tier on awkward numbers and returns what it wrote.
type call func(k *kernels, dst, x, y []float32, n, channels int)

var twinTests = map[string]call{
	"depthwise[25]*": func(k *kernels, dst, x, w []float32, n, channels int) {
		// 3 x 2 taps: rows of pixels 1 apart, kernel rows and taps as near.
		s := strip{y: dst, ys: channels, x: x, xs: channels, xrow: 1, xtap: 2, w: w, wrow: 1, wtap: 1, kh: 3, kw: 2, n: n, channels: channels, add: n%2 == 0}
		s.check()
		k.depthwise(&s)
	},
	"depthwiseThree*": func(k *kernels, dst, x, w []float32, n, channels int) {
		s := strip{y: dst, ys: channels, x: x, xs: channels, xrow: 1, xtap: channels, w: w, wrow: 1, wtap: 2, kh: 3, kw: 3, n: n, channels: channels, add: n%2 == 0}
		s.left, s.right = (n+channels)%3 > 0, (n/2+channels)%2 > 0
		s.check()
		k.three(&s)
	},
	"copyRows*": func(k *kernels, dst, x, _ []float32, n, channels int) {
		width := copied(n, channels)
		k.rows(dst, width+2, x, width+1, n, width)
	},
	"depthwiseGrad1_*": func(k *kernels, dst, x, y []float32, n, channels int) {
		s := gradStrip{dw: dst, wtap: lanes, x: x, xs: channels, xtap: 1, dy: y, ys: channels, taps: 1, n: n, channels: channels}
		s.check()
		k.grad(&s)
	},
	"depthwiseGrad2_*": func(k *kernels, dst, x, y []float32, n, channels int) {
		s := gradStrip{dw: dst, wtap: lanes, x: x, xs: channels, xtap: 3, dy: y, ys: channels, taps: 2, n: n, channels: channels}
		s.check()
		k.grad(&s)
	},
	"depthwiseGradThree*": func(k *kernels, dst, x, y []float32, n, channels int) {
		s := gradThreeStrip(n, channels)
		s.dw, s.x, s.dy = dst, x, y
		s.check()
		k.gradThree(&s)
	},
	"winogradInput*": func(k *kernels, dst, x, _ []float32, n, channels int) {
		s := tilesOf(4, n, channels, dst, x)
		k.winograd.input(&s)
	},
	"winogradGradient*": func(k *kernels, dst, x, _ []float32, n, channels int) {
		s := tilesOf(2, n, channels, dst, x)
		k.winograd.gradient(&s)
	},
	"winogradOutput*": func(k *kernels, dst, x, _ []float32, n, channels int) {
		s := tilesOf(2, n, channels, x, dst)
		k.winograd.output(&s)
	},
	"winogradFilter[25]*": func(k *kernels, dst, x, _ []float32, n, channels int) {
		k.winograd.filter(dst, n*lanes+channels, x, n*lanes+1, n*lanes)
	},
	"winogradFilterGradient*": func(k *kernels, dst, x, _ []float32, n, channels int) {
		k.winograd.filterGradient(dst, n+channels, x, n+lanes, n)
	},
	"depthwiseGrad3_*": func(k *kernels, dst, x, y []float32, n, channels int) {
		s := gradStrip{dw: dst, wtap: lanes, x: x, xs: channels, xtap: 2, dy: y, ys: channels, taps: 3, n: n, channels: channels}
		s.check()
		k.grad(&s)
	},
}

var guardTests = map[string]func(t *testing.T){"*": guard}

// copied is the width of rows to copy: short ones, and in every other call long ones.
func copied(n, channels int) int { return channels + n%2*lanes }

// gradThreeStrip has all combinations of sides and kernel rows, and some lines.
func gradThreeStrip(n, channels int) gradStrip {
	s := gradStrip{wtap: lanes + 1, xs: channels + n%2, xrow: 5, xtap: channels + n%2, ys: channels, taps: 3, kh: 1 + n%3, n: n, channels: channels,
		lines: 1 + channels%3, xline: 7, yline: n*channels + 2}
	s.left, s.right = n > 1 && (n+channels)%3 > 0, n > 1 && (n/2+channels)%2 > 0
	return s
}

// tilesOf is a strip of tiles of so many pixels a side, which fill the slices.
func tilesOf(side, n, channels int, tiles, image []float32) tileStrip {
	s := tileStrip{tiles: tiles, xi: n*lanes + 1, tile: lanes, image: image, row: 2*n*channels + 3, pixel: channels, n: n, channels: channels, add: n%2 == 0}
	if tiles != nil {
		s.check(side)
	}
	return s
}

// sizes are of dst, x and the third slice: exactly what each kernel touches.
func sizes(name string, n, channels int) (dst, x, y int) {
	switch name {
	case "depthwise[25]*":
		return n * channels, n*channels + 2 + 2, lanes + 3
	case "depthwiseThree*":
		columns := n + 2
		if (n+channels)%3 > 0 {
			columns--
		}
		if (n/2+channels)%2 > 0 {
			columns--
		}
		return n * channels, columns*channels + 2, lanes + 2 + 4
	case "copyRows*":
		width := copied(n, channels)
		return n*(width+2) - 2, n*(width+1) - 1, 1
	case "depthwiseGradThree*":
		s := gradThreeStrip(n, channels)
		columns := n + 2 - lacking(s.left, s.right)
		return (3*s.kh-1)*s.wtap + lanes, (s.lines-1)*s.xline + (columns-1)*s.xs + (s.kh-1)*s.xrow + channels, (s.lines-1)*s.yline + n*channels
	case "winogradInput*", "winogradGradient*", "winogradOutput*":
		side := 2
		if name == "winogradInput*" {
			side = 4
		}
		s := tilesOf(side, n, channels, nil, nil)
		tiles, image := 15*s.xi+(n-1)*s.tile+lanes, (side-1)*s.row+(2*n+side-3)*s.pixel+channels
		if name == "winogradOutput*" {
			return image, tiles, 1
		}
		return tiles, image, 1
	case "winogradFilter[25]*":
		return 15*(n*lanes+channels) + n*lanes, 8*(n*lanes+1) + n*lanes, 1
	case "winogradFilterGradient*":
		return 8*(n+channels) + n, 15*(n+lanes) + (n+lanes-1)/lanes*lanes, 1
	case "depthwiseGrad1_*":
		return lanes, n * channels, n * channels
	}
	if name == "depthwiseGrad2_*" {
		return 2 * lanes, n*channels + 3, n * channels
	}
	return 3 * lanes, n*channels + 4, n * channels
}

func TestTwin(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, f := range twinTests {
			for channels := 1; channels <= lanes; channels++ {
				for n := 1; n < 21; n++ {
					for _, share := range []float64{0, 0.3} {
						a, b, c := sizes(name, n, channels)
						dst, x, y := make([]float32, a), make([]float32, b), make([]float32, c)
						for _, s := range [][]float32{dst, x, y} {
							kerneltest.Awkward(s, r.Uint64, share)
						}
						want := append([]float32(nil), dst...)
						f(tier(tr), dst, x, y, n, channels)
						f(&plain, want, x, y, n, channels)
						if strings.Contains(name, "depthwiseGrad") { // lanes past the channels hold anything
							tap := lanes
							if strings.Contains(name, "Three") {
								tap = gradThreeStrip(n, channels).wtap
							}
							for i := range dst {
								if i%tap >= channels {
									dst[i], want[i] = 0, 0
								}
							}
						}
						kerneltest.CheckBits(t, fmt.Sprintf("%s of %d x %d", name, n, channels), dst, want)
					}
				}
			}
		}
	})
}

func TestGuardPages(t *testing.T) {
	for name, f := range guardTests {
		t.Run(name, f)
	}
}

func guard(t *testing.T) {
	kerneltest.ForEachTier(t, func(t *testing.T, tr cpu.Tier) {
		for _, edge := range kerneltest.Edges {
			for name, f := range twinTests {
				for channels := 1; channels <= lanes; channels += 3 {
					for n := 1; n < 20; n++ {
						a, b, c := sizes(name, n, channels)
						f(tier(tr), kerneltest.GuardedOf[float32](t, a, edge), kerneltest.GuardedOf[float32](t, b, edge), kerneltest.GuardedOf[float32](t, c, edge), n, channels)
					}
				}
			}
		}
	})
}

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// shapes are drawn ones, of each kind some.
func shapes(t *testing.T, f func(name string, s *Shape, r *rand.Rand)) {
	for seed := range uint64(96) {
		r := rand.New(rand.NewPCG(seed, 9))
		d := func(n int) int { return 1 + r.IntN(n) }
		s := &Shape{N: d(3), H: d(9), W: d(24), KH: d(3), KW: d(4), StrideH: d(3), StrideW: d(3), DilationH: d(2), DilationW: d(2), Groups: d(3)}
		s.Top, s.Left, s.Bottom, s.Right = r.IntN(3), r.IntN(4), r.IntN(3), r.IntN(4)
		s.In, s.Out = s.Groups*d(20), s.Groups*d(36)
		switch seed % 8 {
		case 0: // depthwise
			s.Groups = 2 + r.IntN(40)
			s.In, s.Out = s.Groups, s.Groups
		case 1: // of one pixel
			s.KH, s.KW, s.Top, s.Left, s.Bottom, s.Right, s.StrideH, s.StrideW = 1, 1, 0, 0, 0, 0, d(2), d(2)
		case 2: // rows of the kernel
			s.In, s.Groups, s.W, s.KH, s.KW, s.StrideW, s.DilationW = 33+d(40), 1, 18+d(30), 3, 3, 1, d(2)
		case 4: // Winograd's, with edges of every kind
			s.Groups, s.H, s.W, s.KH, s.KW, s.StrideH, s.StrideW, s.DilationH, s.DilationW = 1, 4+r.IntN(9), 4+r.IntN(20), 3, 3, 1, 1, 1, 1
			s.In, s.Out = winogradChannels+r.IntN(20), winogradChannels+r.IntN(20)
		case 3: // a sequence
			s.H, s.KH, s.Top, s.Bottom, s.StrideH = 1, 1, 0, 0, 1
		}
		if s.Complete() != nil {
			continue
		}
		f(fmt.Sprintf("seed %d: %+v", seed, *s), s, r)
	}
}

// reference is the definition, in float64, with sums of magnitudes beside.
func reference(s *Shape, visit func(y, x, w int)) {
	in, out := s.In/s.Groups, s.Out/s.Groups
	for n := range s.N {
		for i := range s.OutH {
			for j := range s.OutW {
				for o := range s.Out {
					for a := range s.KH {
						for b := range s.KW {
							h, w := i*s.StrideH-s.Top+a*s.DilationH, j*s.StrideW-s.Left+b*s.DilationW
							if h < 0 || h >= s.H || w < 0 || w >= s.W {
								continue
							}
							for c := range in {
								visit(((n*s.OutH+i)*s.OutW+j)*s.Out+o, ((n*s.H+h)*s.W+w)*s.In+o/out*in+c, o*s.Terms()+(a*s.KW+b)*in+c)
							}
						}
					}
				}
			}
		}
	}
}

func (s *Shape) sizes() (x, y, w int) {
	return s.N * s.H * s.W * s.In, s.N * s.OutH * s.OutW * s.Out, s.Out * s.Terms()
}

func near(t *testing.T, what string, got, start []float32, want, size []float64) {
	t.Helper()
	for i := range got {
		if e := math.Abs(float64(got[i]) - float64(start[i]) - want[i]); !(e <= 4e-6*(size[i]+1)) {
			t.Fatalf("%s: number %d is off by %v", what, i, e)
		}
	}
}

// Each function against the definition, and the bits of each tier and number of
// workers against the plain one's.
func TestAgainstDefinition(t *testing.T) {
	pool := par.New(3)
	defer pool.Close()
	kinds, transformed := map[bool]int{}, 0
	shapes(t, func(name string, s *Shape, r *rand.Rand) {
		kinds[s.depthwise()]++
		if s.winograd() {
			transformed++
		}
		nx, ny, nw := s.sizes()
		x, y, w := normals(r, nx), normals(r, ny), normals(r, nw)
		type result struct{ y, dx, dw []float32 }
		all := func(t cpu.Tier, p *par.Pool, add bool) result {
			var sc Scratch
			g := result{append([]float32(nil), y...), append([]float32(nil), x...), append([]float32(nil), w...)}
			forward(t, p, &sc, s, g.y, x, w, add)
			adjoint(t, p, &sc, s, g.dx, y, w, add)
			weightGradient(t, p, &sc, s, g.dw, y, x)
			return g
		}
		for _, add := range []bool{true, false} {
			want := all(cpu.Go, nil, add)
			for _, tr := range cpu.Tiers() {
				for _, p := range []*par.Pool{nil, pool} {
					got := all(tr, p, add)
					kerneltest.CheckBits(t, name+" y", got.y, want.y)
					kerneltest.CheckBits(t, name+" dx", got.dx, want.dx)
					kerneltest.CheckBits(t, name+" dw", got.dw, want.dw)
				}
			}
			var v [6][]float64
			for i, n := range []int{ny, ny, nx, nx, nw, nw} {
				v[i] = make([]float64, n)
			}
			reference(s, func(i, j, k int) {
				for q, f := range [3][3]float32{{x[j], w[k]}, {y[i], w[k]}, {x[j], y[i]}} {
					at := [3]int{i, j, k}[q]
					v[2*q][at] += float64(f[0]) * float64(f[1])
					v[2*q+1][at] += math.Abs(float64(f[0]) * float64(f[1]))
				}
			})
			zy, zx := make([]float32, ny), make([]float32, nx)
			if add {
				zy, zx = y, x
			}
			near(t, name+" y", want.y, zy, v[0], v[1])
			near(t, name+" dx", want.dx, zx, v[2], v[3])
			near(t, name+" dw", want.dw, w, v[4], v[5])
		}
	})
	if kinds[true] < 8 || kinds[false] < 40 || transformed < 10 {
		t.Errorf("only %v shapes, %d of them Winograd's", kinds, transformed)
	}
}

// Winograd's has the same bits in each tier, whether its strips or its steps are
// shared out, and of more channels than a panel or a chain has.
func TestWinogradBits(t *testing.T) {
	for _, s := range []*Shape{
		{N: 2, H: 34, W: 35, In: 9, Out: 17},
		{N: 1, H: 9, W: 10, In: 70, Out: 130},
		{N: 3, H: 13, W: 8, In: 130, Out: 65},
	} {
		s.Groups, s.KH, s.KW, s.StrideH, s.StrideW, s.DilationH, s.DilationW, s.Top, s.Right = 1, 3, 3, 1, 1, 1, 1, 1, 2
		if err := s.Complete(); err != nil || !s.winograd() {
			t.Fatalf("%+v: %v, or not Winograd's", s, err)
		}
		nx, ny, nw := s.sizes()
		r := rand.New(rand.NewPCG(7, 7))
		x, y, w := normals(r, nx), normals(r, ny), normals(r, nw)
		var want [3][]float32
		for _, tr := range cpu.Tiers() {
			for threads := 1; threads <= 3; threads++ {
				p := par.New(threads)
				var sc Scratch
				got := [3][]float32{make([]float32, ny), make([]float32, nx), make([]float32, nw)}
				forward(tr, p, &sc, s, got[0], x, w, false)
				adjoint(tr, p, &sc, s, got[1], y, w, false)
				weightGradient(tr, p, &sc, s, got[2], y, x)
				p.Close()
				if want[0] == nil {
					want = got
				}
				for i, name := range [3]string{"y", "dx", "dw"} {
					kerneltest.CheckBits(t, fmt.Sprintf("%+v, %v, %d threads: %s", *s, tr, threads, name), got[i], want[i])
				}
			}
		}
	}
}

// Images of a batch don't know of each other.
func TestBatch(t *testing.T) {
	shapes(t, func(name string, s *Shape, r *rand.Rand) {
		nx, ny, nw := s.sizes()
		x, w, y := normals(r, nx), normals(r, nw), make([]float32, ny)
		dx := make([]float32, nx)
		var sc Scratch
		Forward(nil, &sc, s, y, x, w, false)
		Adjoint(nil, &sc, s, dx, y, w, false)
		one := *s
		one.N = 1
		for n := range s.N {
			y1, dx1 := make([]float32, ny/s.N), make([]float32, nx/s.N)
			Forward(nil, &sc, &one, y1, x[n*nx/s.N:][:nx/s.N], w, false)
			Adjoint(nil, &sc, &one, dx1, y1, w, false)
			kerneltest.CheckBits(t, name+" y", y[n*ny/s.N:][:ny/s.N], y1)
			kerneltest.CheckBits(t, name+" dx", dx[n*nx/s.N:][:nx/s.N], dx1)
		}
	})
}

func TestAllocatesNothing(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	for _, c := range [][2]int{{1, 2}, {32, 2}, {32, 1}, {1, 1}} {
		groups, stride := c[0], c[1]
		s := &Shape{N: 2, H: 20, W: 20, In: 32, Out: 32, Groups: groups, KH: 3, KW: 3, StrideH: stride, StrideW: stride, DilationH: 1, DilationW: 1, Top: 1, Left: 1, Bottom: 1, Right: 1}
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		nx, ny, nw := s.sizes()
		x, y, w := make([]float32, nx), make([]float32, ny), make([]float32, nw)
		var sc Scratch
		if n := testing.AllocsPerRun(20, func() {
			Forward(p, &sc, s, y, x, w, false)
			Adjoint(p, &sc, s, x, y, w, false)
			Gradient(p, &sc, s, w, y, x)
		}); n > 0 {
			t.Errorf("%d groups, stride %d: %v allocations", groups, stride, n)
		}
	}
}
