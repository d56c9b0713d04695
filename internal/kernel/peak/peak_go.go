package peak

import "github.com/micaml/mica/internal/f32"

// The twins: the same results, and the limits where there is no assembly.
var plain = kernels{fmaGo, dotGo, readGo}

func fmaGo(dst, x []float32, n int) int {
	v := x[0]
	for i := range dst[:16] {
		a := float32(0)
		for range n / 64 {
			a = f32.FMA(v, v, a)
		}
		dst[i] = a
	}
	return 16 * (n / 64) * 2
}

func dotGo(dst, x []int32, n int) int {
	for i := range dst[:16] {
		a := int32(0)
		for range n / 64 {
			for shift := 0; shift < 32; shift += 8 {
				b := int32(int8(x[0] >> shift))
				a += b * b
			}
		}
		dst[i] = a
	}
	return 16 * (n / 64) * 8
}

func readGo(dst, x []uint64) int {
	clear(dst)
	whole := len(x) / readLanes * readLanes
	for i := 0; i < whole; i += 4 {
		d, s := dst[i%readLanes:][:4], x[i:][:4]
		d[0] += s[0]
		d[1] += s[1]
		d[2] += s[2]
		d[3] += s[3]
	}
	return 8 * whole
}
