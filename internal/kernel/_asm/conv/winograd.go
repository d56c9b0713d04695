package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// Winograd's transforms for 3x3 kernels and results of 2x2 pixels. Each is one of
// lines of numbers, first down the columns of a tile and then along its rows;
// lanes are channels. A line's numbers come from a function, for AVX2 has no
// registers for a whole tile and reads what it needs again.
type line func(i int) simd.F32x16

// inputLine is number r of a line of four pixels of x.
func inputLine(r int, d line, z simd.F32x16) {
	switch r {
	case 0:
		simd.Sub(d(2), d(0), z)
	case 1:
		simd.Add(d(2), d(1), z)
	case 2:
		simd.Sub(d(1), d(2), z)
	case 3:
		simd.Sub(d(3), d(1), z)
	}
}

// outputLine is pixel r of a line of two, from four sums.
func outputLine(r int, m line, z simd.F32x16) {
	if r == 0 {
		simd.Add(m(1), m(0), z)
		simd.Add(m(2), z, z)
		return
	}
	simd.Sub(m(2), m(1), z)
	simd.Sub(m(3), z, z)
}

// gradientLine is number r of a line of two pixels of dy; number 3 has its sign
// changed, and so has number 3 of filterGradientLine.
func gradientLine(r int, d line, z simd.F32x16) {
	switch r {
	case 0:
		simd.Move(d(0), z)
	case 1:
		simd.Add(d(1), d(0), z)
	case 2:
		simd.Sub(d(1), d(0), z)
	case 3:
		simd.Move(d(1), z)
	}
}

// filterLine is number r of a line of three weights.
func filterLine(r int, g line, half, z simd.F32x16) {
	switch r {
	case 0, 3:
		simd.Move(g(r*2/3), z)
		return
	}
	simd.Add(g(2), g(0), z)
	if r == 1 {
		simd.Add(g(1), z, z)
	} else {
		simd.Sub(g(1), z, z)
	}
	simd.Mul(half, z, z)
}

// filterGradientLine is weight r of a line of three, from four sums.
func filterGradientLine(r int, m line, half, z simd.F32x16) {
	if r == 1 {
		simd.Sub(m(2), m(1), z)
	} else {
		simd.Add(m(2), m(1), z)
	}
	simd.Mul(half, z, z)
	switch r {
	case 0:
		simd.Add(m(0), z, z)
	case 2:
		simd.Sub(m(3), z, z)
	}
}

// grid addresses lines of numbers that are a stride apart.
type grid struct {
	base           []GPVirtual // of lines
	stride, thrice GPVirtual
}

func newGrid(first GPVirtual, between Op, lines int, stride GPVirtual, wide bool) grid {
	g := grid{base: []GPVirtual{first}, stride: stride}
	for i := 1; i < lines; i++ {
		next := GP64()
		MOVQ(g.base[i-1], next)
		ADDQ(between, next)
		g.base = append(g.base, next)
	}
	if wide {
		g.thrice = GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, g.thrice)
	}
	return g
}

func (g grid) at(i, j int) Mem {
	m := Mem{Base: g.base[i]}
	switch {
	case j == 3:
		m.Index, m.Scale = g.thrice, 1
	case j > 0:
		m.Index, m.Scale = g.stride, uint8(j)
	}
	return m
}

// lines returns where the numbers of column j lie; held in registers if so asked.
func (g grid) lines(t simd.Tier, m simd.Mask, n int, held bool) func(i, j int) simd.F32x16 {
	var have [4][4]simd.F32x16
	if held {
		for i := range n {
			for j := range n {
				have[i][j] = m.Load(t, g.at(i, j))
			}
		}
	}
	return func(i, j int) simd.F32x16 {
		if held {
			return have[i][j]
		}
		return m.Load(t, g.at(i, j))
	}
}

const toTiles = "func(tiles *float32, xi, tile int, image *float32, row, pixel, n, channels int)"

// toTile makes tiles of 4x4 from n x n pixels of an image.
func toTile(t simd.Tier, name, doc string, pixels int, number func(r int, d line, z simd.F32x16)) {
	t.Func(name, toTiles, doc)
	tiles, n := simd.Arg("tiles"), simd.Arg("n")
	image, pixel := simd.Arg("image"), simd.Arg("pixel")
	g := newGrid(image, mem("row"), pixels, pixel, pixels > 3)
	xi := simd.Arg("xi")
	xi3 := GP64()
	LEAQ(Mem{Base: xi, Index: xi, Scale: 2}, xi3)
	at := GP64()
	body := func(name string, m simd.Mask) {
		Label(name)
		d := g.lines(t, m, pixels, t == simd.AVX512)
		MOVQ(tiles, at)
		for r := range 4 {
			down := make([]simd.F32x16, pixels)
			for j := range down {
				down[j] = t.New()
				number(r, func(i int) simd.F32x16 { return d(i, j) }, down[j])
			}
			to := grid{base: []GPVirtual{at}, stride: xi, thrice: xi3}
			for j := range 4 {
				z := t.New()
				number(j, func(i int) simd.F32x16 { return down[i] }, z)
				simd.Move(z, to.at(0, j))
			}
			if r < 3 {
				LEAQ(Mem{Base: at, Index: xi, Scale: 4}, at)
			}
		}
		for _, p := range g.base {
			LEAQ(Mem{Base: p, Index: pixel, Scale: 2}, p)
		}
		ADDQ(mem("tile"), tiles)
		DECQ(n)
		JNZ(LabelRef(name))
		simd.End()
	}
	channels := simd.Arg("channels")
	CMPQ(channels, U8(simd.Lanes))
	JL(LabelRef("part"))
	body("whole", simd.Mask{})
	Label("part")
	body("partly", t.FirstLanes(channels))
}

func winograd(t simd.Tier) {
	toTile(t, "winogradInput", "transforms n tiles of 4x4 pixels, two pixels apart, of at most 16 channels; strides are in bytes.", 4, inputLine)
	toTile(t, "winogradGradient", "transforms n tiles of 2x2 pixels of a gradient, of at most 16 channels; strides are in bytes.", 2, gradientLine)
	winogradOutput(t)
	winogradFilter(t)
	winogradFilterGradient(t)
}

func winogradOutput(t simd.Tier) {
	t.Func("winogradOutput", "func(tiles *float32, xi, tile int, image *float32, row, pixel, n, channels int, add bool)",
		"sets n tiles of 2x2 pixels of at most 16 channels to the transforms of their sums, or adds these; strides are in bytes.")
	tiles, n := simd.Arg("tiles"), simd.Arg("n")
	image, pixel := simd.Arg("image"), simd.Arg("pixel")
	out := newGrid(image, mem("row"), 2, pixel, false)
	xi := simd.Arg("xi")
	xi4, step := GP64(), simd.Arg("tile")
	MOVQ(xi, xi4)
	SHLQ(U8(2), xi4)
	in := newGrid(tiles, xi4, 4, xi, true)
	body := func(name string, m simd.Mask, add bool) {
		Label(name)
		sums := func(r int) []simd.F32x16 {
			down := make([]simd.F32x16, 4)
			for j := range down {
				down[j] = t.New()
				outputLine(r, func(i int) simd.F32x16 { return t.Load(in.at(i, j)) }, down[j])
			}
			return down
		}
		for r := range 2 {
			down := sums(r)
			for j := range 2 {
				z := t.New()
				outputLine(j, func(i int) simd.F32x16 { return down[i] }, z)
				if add {
					simd.Add(m.Load(t, out.at(r, j)), z, z)
				}
				m.Store(z, out.at(r, j))
			}
		}
		for _, p := range out.base {
			LEAQ(Mem{Base: p, Index: pixel, Scale: 2}, p)
		}
		for _, p := range in.base {
			ADDQ(step, p)
		}
		DECQ(n)
		JNZ(LabelRef(name))
		simd.End()
	}
	both := func(name string, m simd.Mask) {
		CMPB(mem("add"), U8(0))
		JNE(LabelRef(name + "Add"))
		body(name+"Set", m, false)
		body(name+"Add", m, true)
	}
	channels := simd.Arg("channels")
	CMPQ(channels, U8(simd.Lanes))
	JL(LabelRef("part"))
	both("whole", simd.Mask{})
	Label("part")
	both("partly", t.FirstLanes(channels))
}

func winogradFilter(t simd.Tier) {
	t.Func("winogradFilter", "func(u *float32, xi int, w *float32, tap, n int)",
		"transforms n kernels of 3x3, n a multiple of 16; strides are in bytes.")
	u, xi, g, tap, n := simd.Arg("u"), simd.Arg("xi"), simd.Arg("w"), simd.Arg("tap"), simd.Arg("n")
	tap3, xi3, at := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: tap, Index: tap, Scale: 2}, tap3)
	LEAQ(Mem{Base: xi, Index: xi, Scale: 2}, xi3)
	from := newGrid(g, tap3, 3, tap, false)
	half := t.Const(0.5)
	Label("more")
	MOVQ(u, at)
	to := grid{base: []GPVirtual{at}, stride: xi, thrice: xi3}
	for r := range 4 {
		down := make([]simd.F32x16, 3)
		for j := range down {
			down[j] = t.New()
			filterLine(r, func(i int) simd.F32x16 { return t.Load(from.at(i, j)) }, half, down[j])
		}
		for j := range 4 {
			z := t.New()
			filterLine(j, func(i int) simd.F32x16 { return down[i] }, half, z)
			simd.Move(z, to.at(0, j))
		}
		LEAQ(Mem{Base: at, Index: xi, Scale: 4}, at)
	}
	for _, p := range append(from.base, u) {
		ADDQ(U8(4*simd.Lanes), p)
	}
	SUBQ(U8(simd.Lanes), n)
	JNZ(LabelRef("more"))
	simd.End()
}

func winogradFilterGradient(t simd.Tier) {
	t.Func("winogradFilterGradient", "func(dw *float32, tap int, m *float32, xi, n int)",
		"adds to n kernels of 3x3 the transforms of their sums; strides are in bytes.")
	m, xi, n := simd.Arg("m"), simd.Arg("xi"), simd.Arg("n")
	xi4 := GP64()
	MOVQ(xi, xi4)
	SHLQ(U8(2), xi4)
	in := newGrid(m, xi4, 4, xi, true)
	dw, tap, at := simd.Arg("dw"), simd.Arg("tap"), GP64()
	half := t.Const(0.5)
	t.Loop(n, append(in.base, dw), func(p simd.Part) {
		MOVQ(dw, at)
		for r := range 3 {
			down := make([]simd.F32x16, 4)
			for j := range down {
				down[j] = t.New()
				filterGradientLine(r, func(i int) simd.F32x16 { return t.Load(in.at(i, j)) }, half, down[j])
			}
			for j := range 3 {
				z := t.New()
				filterGradientLine(j, func(i int) simd.F32x16 { return down[i] }, half, z)
				simd.Add(p.Load(at), z, z)
				p.Store(z, at)
				ADDQ(tap, at)
			}
		}
	})
	simd.End()
}
