package projectionhead

import (
	"fmt"
	"math"

	"github.com/micaml/mica/look/probe"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// interval is the mean of numbers and half of its 95 % interval by Student's t.
func interval(x []float64) (mean, half float64) {
	if len(x) < 2 {
		return stat.Mean(x, nil), math.Inf(1)
	}
	mean, sd := stat.MeanStdDev(x, nil)
	t := distuv.StudentsT{Sigma: 1, Nu: float64(len(x) - 1)}.Quantile(0.975)
	return mean, t * sd / math.Sqrt(float64(len(x)))
}

// above says that an interval excludes 0 from above.
func above(mean, half float64) bool { return mean-half > 0 }

// spread is the ratio of the largest deviation of a representation along a principal
// direction to the 16th largest: how unequal its features are.
func spread(d *probe.Data) (float64, error) {
	n, w := d.Len(), d.Width
	x, mean := matrix(n, w), make([]float64, w)
	for i, v := range d.X {
		mean[i%w] += float64(v) / float64(n)
	}
	for i, v := range d.X {
		x.Data[i] = float64(v) - mean[i%w]
	}
	values := singular(x)
	if len(values) < 16 {
		return 0, fmt.Errorf("projectionhead: a representation of %d directions", len(values))
	}
	return values[0] / max(values[15], 1e-9*values[0]), nil
}
