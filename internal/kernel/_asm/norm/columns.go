package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/micaml/mica/internal/kernel/_asm/simd"
)

// A walk is a function down the rows of matrices, [rows, n]. What belongs to a
// column, the vectors [n], stays in registers on the way: in narrow matrices a sum
// in memory would wait in each row until the row before has been stored.
type walk struct {
	t                       simd.Tier
	name, doc               string
	matrices, vectors, kept string // kept are vectors that are written back
	// groups are how many panels of 16 columns go down together, as far as there
	// are registers; the last is 1.
	groups []int
	// row works on 16 numbers of a row: x of each matrix, v of each vector, kept
	// ones first.
	row func(m simd.Mask, x []Mem, v []simd.F32x16)
}

func (w walk) emit() {
	ms, vs := strings.Fields(w.matrices), strings.Fields(w.kept+" "+w.vectors)
	w.t.Func(w.name, "func("+strings.Join(append(ms[:len(ms):len(ms)], vs...), ", ")+" *float32, rows, n int)", w.doc)
	n, at, stride := simd.Arg("n"), GP64(), GP64()
	XORQ(at, at)
	MOVQ(n, stride)
	SHLQ(U8(2), stride)
	for _, g := range w.groups {
		by, narrow := fmt.Sprint("by", g), fmt.Sprint("below", g)
		Label(by)
		CMPQ(n, U8(simd.Lanes*g))
		JL(LabelRef(narrow))
		w.down(fmt.Sprint("row", g), simd.Mask{}, g, at, stride)
		ADDQ(U32(uint32(4*simd.Lanes*g)), at)
		SUBQ(U8(simd.Lanes*g), n)
		JMP(LabelRef(by))
		Label(narrow)
	}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	w.down("rest", w.t.FirstLanes(n), 1, at, stride)
	Label("done")
	simd.End()
}

// down goes down the rows of g panels that begin at bytes into a row.
func (w walk) down(label string, m simd.Mask, g int, at, stride GPVirtual) {
	ms, kept := strings.Fields(w.matrices), strings.Fields(w.kept)
	vs := append(kept, strings.Fields(w.vectors)...)
	v := make([][]simd.F32x16, g)
	panel := func(p GPVirtual, i int) Mem {
		return Mem{Base: p, Index: at, Scale: 1, Disp: 4 * simd.Lanes * i}
	}
	for _, name := range vs {
		p := simd.Arg(name)
		for i := range v {
			v[i] = append(v[i], m.Load(w.t, panel(p, i)))
		}
	}
	var x []GPVirtual
	for _, name := range ms {
		p := simd.Arg(name)
		ADDQ(at, p)
		x = append(x, p)
	}
	rows := simd.Arg("rows")
	Label(label)
	for i := range v {
		var here []Mem
		for _, p := range x {
			here = append(here, simd.At(p, 4*simd.Lanes*i))
		}
		w.row(m, here, v[i])
	}
	for _, p := range x {
		ADDQ(stride, p)
	}
	DECQ(rows)
	JNZ(LabelRef(label))
	for k, name := range kept {
		p := simd.Arg(name)
		for i := range v {
			m.Store(v[i][k], panel(p, i))
		}
	}
}

// columns emits the kernels that work column by column: each column of a sum is
// one chain over the rows.
func columns(t simd.Tier) {
	few, many := []int{4, 2, 1}, []int{4, 2, 1}
	if t == simd.AVX2 {
		few, many = []int{1}, []int{4, 2, 1}
	}
	walk{t: t, name: "colSum", doc: "adds each row of x to acc.", matrices: "x", kept: "acc", groups: many,
		row: func(m simd.Mask, x []Mem, v []simd.F32x16) {
			simd.Add(m.Load(t, x[0]), v[0], v[0])
		}}.emit()
	walk{t: t, name: "colMoments", doc: "adds d = x - shift to sum and d * d to squares.", matrices: "x", kept: "sum squares", vectors: "shift", groups: few,
		row: func(m simd.Mask, x []Mem, v []simd.F32x16) {
			d := m.Load(t, x[0])
			simd.Sub(v[2], d, d)
			simd.Add(d, v[0], v[0])
			simd.FMA231(d, d, v[1])
		}}.emit()
	walk{t: t, name: "colGrads", doc: "adds dy to sum and dy * (x - mean) to dot.", matrices: "dy x", kept: "sum dot", vectors: "mean", groups: few,
		row: func(m simd.Mask, x []Mem, v []simd.F32x16) {
			g, d := m.Load(t, x[0]), m.Load(t, x[1])
			simd.Add(g, v[0], v[0])
			simd.Sub(v[2], d, d)
			simd.FMA231(g, d, v[1])
		}}.emit()
	walk{t: t, name: "affine", doc: "sets dst to (x - mean) * scale + shift.", matrices: "dst x", vectors: "mean scale shift", groups: few,
		row: func(m simd.Mask, x []Mem, v []simd.F32x16) {
			d := m.Load(t, x[1])
			simd.Sub(v[0], d, d)
			simd.FMA213(v[2], v[1], d)
			m.Store(d, x[0])
		}}.emit()
	for _, add := range []bool{false, true} {
		name, doc := "affineGrad", "sets dx to a * dy + (b * (x - mean) + c)."
		if add {
			name, doc = "affineGradAdd", "adds a * dy + (b * (x - mean) + c) to dx."
		}
		walk{t: t, name: name, doc: doc, matrices: "dx dy x", vectors: "mean a b c", groups: few,
			row: func(m simd.Mask, x []Mem, v []simd.F32x16) {
				d := m.Load(t, x[2])
				simd.Sub(v[0], d, d)
				simd.FMA213(v[3], v[2], d)
				simd.FMA231(v[1], m.Load(t, x[1]), d)
				if add {
					simd.Add(m.Load(t, x[0]), d, d)
				}
				m.Store(d, x[0])
			}}.emit()
	}
}
