package gemm

import (
	"math"

	"github.com/micaml/mica/internal/f32"
	"github.com/micaml/mica/tensor"
)

// The twins: what the assembly computes, in plain Go.

func tileGo(m, n, k int, a []float32, ars, aks int, p []float32, ldp int, c []float32, ldc int, to into) {
	var sum [Lanes]float32
	for i := range m {
		for j := 0; j < n; j += Lanes {
			out := c[i*ldc+j : i*ldc+min(j+Lanes, n)]
			begin(&sum, out, to)
			for l := range k {
				f32.FMALanes(&sum, a[i*ars+l*aks], (*[Lanes]float32)(p[l*ldp+j:]))
			}
			end(out, &sum, to)
		}
	}
}

func tileF16Go(m, n, k int, a []float32, ars, aks int, p []uint16, ldp int, c []float32, ldc int, to into) {
	var sum, b [Lanes]float32
	for i := range m {
		for j := 0; j < n; j += Lanes {
			out := c[i*ldc+j : i*ldc+min(j+Lanes, n)]
			begin(&sum, out, to)
			for l := range k {
				for z, h := range p[l*ldp+j : l*ldp+j+Lanes] {
					b[z] = tensor.F16ToF32(h)
				}
				f32.FMALanes(&sum, a[i*ars+l*aks], &b)
			}
			end(out, &sum, to)
		}
	}
}

// begin sets up the lanes of a chain.
func begin(sum *[Lanes]float32, c []float32, to into) {
	clear(sum[:])
	if to == chain {
		copy(sum[:], c)
	}
}

// end puts the lanes that c has room for there.
func end(c []float32, sum *[Lanes]float32, to into) {
	for i, x := range sum[:len(c)] {
		if to == add {
			x = c[i] + x
		}
		c[i] = x
	}
}

// decode writes columns [from, to) of a row of w to the front of buf, which has
// room for a block more at either end, and returns them.
func decode(w *tensor.Storage, row, from, to int, buf []float32) []float32 {
	elems, _ := w.DType.Block()
	lo, hi := from/elems*elems, (to+elems-1)/elems*elems
	if err := w.DequantCols(row, lo, hi, buf[:hi-lo]); err != nil {
		panic("gemm: " + err.Error()) // the callers have checked the shapes
	}
	return buf[from-lo : to-lo]
}

// packTGo writes columns [from, from+k) of rows [row, row+rows) of w to dst as
// k rows of rows numbers, ldp apart, padded with zeros to Lanes.
func packTGo(w *tensor.Storage, row, rows, from, k int, dst []float32, ldp int, buf []float32) {
	for r := range Pad(rows) {
		if r >= rows {
			for l := range k {
				dst[l*ldp+r] = 0
			}
			continue
		}
		for l, v := range decode(w, row+r, from, from+k, buf) {
			dst[l*ldp+r] = v
		}
	}
}

// packNGo writes columns [from, from+cols) of rows [row, row+rows) of w to dst,
// ldp apart, padded with zeros to Lanes.
func packNGo(w *tensor.Storage, row, rows, from, cols int, dst []float32, ldp int, buf []float32) {
	for r := range rows {
		d := dst[r*ldp : r*ldp+Pad(cols)]
		clear(d[copy(d, decode(w, row+r, from, from+cols, buf)):])
	}
}

// packF32Go is packNGo for float32 numbers, rows ldx apart.
func packF32Go(x []float32, ldx, rows, cols int, dst []float32, ldp int) {
	for r := range rows {
		d := dst[r*ldp : r*ldp+Pad(cols)]
		clear(d[copy(d, x[r*ldx:r*ldx+cols]):])
	}
}

// gemvGo computes y[i] = row (row+i) of w times x.
func gemvGo(w *tensor.Storage, row int, x, y []float32, acc bool, buf []float32) {
	for i := range y {
		total := float32(math.Copysign(0, -1)) // adds to x as x, even to -0
		if acc {
			total = y[i]
		}
		for l := 0; l < len(x); l += depth {
			xs := x[l:min(l+depth, len(x))]
			vs := decode(w, row+i, l, l+len(xs), buf)
			for s := 0; s < len(xs); s += Segment {
				sum := float32(0)
				for j := s; j < min(s+Segment, len(xs)); j++ {
					sum = f32.FMA(xs[j], vs[j], sum)
				}
				total += sum
			}
		}
		y[i] = total
	}
}

// gemvSegment is gemvGo for one segment of decoded rows, Segment apart.
func gemvSegment(y, x, rows []float32, acc bool) {
	for i := range y {
		sum := float32(0)
		for j, v := range x {
			sum = f32.FMA(v, rows[i*Segment+j], sum)
		}
		if acc {
			sum = y[i] + sum
		}
		y[i] = sum
	}
}

func transposeGo(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for j := range cols {
		d := dst[j*ldd : j*ldd+Pad(rows)]
		for i := range rows {
			d[i] = src[i*lds+j]
		}
		clear(d[rows:])
	}
}
