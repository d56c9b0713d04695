package rope

import "github.com/micaml/mica/internal/cpu"

func interleaved(t cpu.Tier, dst, x, table []float32, sign float32) {
	switch t {
	case cpu.AVX512:
		interleaved512(&dst[0], &x[0], &table[0], len(table)/2, sign)
	case cpu.AVX2:
		interleaved256(&dst[0], &x[0], &table[0], len(table)/2, sign)
	default:
		interleavedGo(dst, x, table, sign)
	}
}

func halves(t cpu.Tier, dst, x, table []float32, sign float32) {
	switch t {
	case cpu.AVX512:
		halves512(&dst[0], &x[0], &table[0], len(table)/2, sign)
	case cpu.AVX2:
		halves256(&dst[0], &x[0], &table[0], len(table)/2, sign)
	default:
		halvesGo(dst, x, table, sign)
	}
}
