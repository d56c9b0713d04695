package act

import (
	"github.com/micaml/mica/internal/cpu"
)

// Softmax sets dst to exp(x - top) / sum and returns both: the largest number
// of x and the sum of the exponentials. A NaN makes all of dst NaN, and so does
// an x of nothing but -Inf.
func Softmax(dst, x []float32) (top, sum float32) {
	same(len(dst), len(x))
	return softmax(cpu.Kernels(), dst, x)
}

func softmax(t cpu.Tier, dst, x []float32) (top, sum float32) {
	if len(x) == 0 {
		return largestOfNone, 0
	}
	k := tier(t)
	top = k.largest(x)
	sum = k.expSum(dst, x, top)
	k.divide(dst, dst, sum)
	return top, sum
}

// SoftmaxBackward adds p * (dy - sum of p*dy) to dx: the gradient of a row, given
// its probabilities p.
func SoftmaxBackward(dx, dy, p []float32) {
	same(len(dx), len(dy))
	same(len(dx), len(p))
	if len(dx) > 0 {
		k := tier(cpu.Kernels())
		k.softmaxBackward(dx, dy, p, k.dot(p, dy))
	}
}

// LogSumExp returns the largest number of x and the sum of exp(x - top), as
// Softmax does; log(sum) + top is the logarithm of the sum of e^x.
func LogSumExp(x []float32) (top, sum float32) {
	if len(x) == 0 {
		return largestOfNone, 0
	}
	k := tier(cpu.Kernels())
	top = k.largest(x)
	return top, k.sumExp(x, top)
}

// CrossEntropyBackward adds f * (softmax(x) - onehot(target)) to dx, given
// LogSumExp of x.
func CrossEntropyBackward(dx, x []float32, target int, top, sum, f float32) {
	same(len(dx), len(x))
	if len(dx) > 0 {
		tier(cpu.Kernels()).expAXPY(dx, f/sum, x, top)
		dx[target] -= f
	}
}

// ExpSum sets dst to exp(x - top) and returns the sum of it.
func ExpSum(dst, x []float32, top float32) float32 {
	same(len(dst), len(x))
	if len(x) == 0 {
		return 0
	}
	return tier(cpu.Kernels()).expSum(dst, x, top)
}

// ExpAXPY adds s * exp(x - top) to y.
func ExpAXPY(y []float32, s float32, x []float32, top float32) {
	same(len(y), len(x))
	if len(y) > 0 {
		tier(cpu.Kernels()).expAXPY(y, s, x, top)
	}
}
