package peak

import "github.com/micaml/mica/internal/cpu"

func tier(t cpu.Tier) *kernels { return cpu.Of(t, &plain, &avx2, &avx512) }

var avx512 = kernels{
	fma: func(dst, x []float32, n int) int {
		_ = dst[accumulators-1]
		fma512(&dst[0], &x[0], n)
		return 16 * 16 * 2 * n
	},
	dot: func(dst, x []int32, n int) int {
		_ = dst[accumulators-1]
		dot512(&dst[0], &x[0], n)
		return 16 * 64 * 2 * n
	},
	read: func(dst, x []uint64) int {
		_ = dst[readLanes-1]
		turns := len(x) / readLanes
		if turns > 0 {
			read512(&dst[0], &x[0], turns)
		}
		return turns * readLanes * 8
	},
}

var avx2 = kernels{
	fma: func(dst, x []float32, n int) int {
		_ = dst[12*8-1]
		fma256(&dst[0], &x[0], n)
		return 12 * 8 * 2 * n
	},
	dot: func(dst, x []int32, n int) int {
		_ = dst[12*8-1]
		dot256(&dst[0], &x[0], n)
		return 12 * 32 * 2 * n
	},
	read: func(dst, x []uint64) int {
		_ = dst[4*4-1]
		turns := len(x) / (4 * 4)
		if turns > 0 {
			read256(&dst[0], &x[0], turns)
		}
		return turns * 4 * 4 * 8
	},
}
