package rope

import "github.com/micaml/mica/internal/f32"

func interleavedGo(dst, x, table []float32, sign float32) {
	for i := 0; i < len(table); i += 2 {
		dst[i], dst[i+1] = turn(x[i], x[i+1], table[i], sign*table[i+1])
	}
}

func halvesGo(dst, x, table []float32, sign float32) {
	h := len(table) / 2
	for i := range h {
		dst[i], dst[i+h] = turn(x[i], x[i+h], table[2*i], sign*table[2*i+1])
	}
}

func turn(a, b, cos, sin float32) (float32, float32) {
	return f32.FMA(a, cos, -float32(b*sin)), f32.FMA(b, cos, float32(a*sin))
}
