package recipe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/micaml/mica/dataset"
)

// Sizes of what is generated.
const (
	blobClasses, blobWidth = 4, 8
	shapeSide              = 16
)

// shapeNames are the classes of shapes.
var shapeNames = []string{"bar", "cross", "square", "disc"}

// generate makes examples: synthetic ones, the same for the same seed.
func generate(d *Data, seed uint64) (dataset.Set, error) {
	draw := func(i int) *rand.Rand {
		return rand.New(rand.NewPCG(seed+uint64(i)*0x9e3779b97f4a7c15, streamExamples))
	}
	if d.What == "blobs" {
		centres := make([]float32, blobClasses*blobWidth)
		rng := draw(-1)
		for i := range centres {
			centres[i] = float32(rng.NormFloat64())
		}
		return dataset.Make(d.Examples, []int{blobWidth}, blobClasses, func(b *dataset.Batch, i int) error {
			rng, class := draw(i), i%blobClasses
			for j := range blobWidth {
				b.X = append(b.X, centres[class*blobWidth+j]+float32(d.Noise*rng.NormFloat64()))
			}
			b.Labels = append(b.Labels, int32(class))
			return nil
		}), nil
	}
	return dataset.Make(d.Examples, []int{shapeSide, shapeSide, 1}, len(shapeNames), func(b *dataset.Batch, i int) error {
		rng, class := draw(i), i%len(shapeNames)
		size := 3 + 3*rng.Float64() // half of it
		cx, cy := size+rng.Float64()*(shapeSide-2*size), size+rng.Float64()*(shapeSide-2*size)
		for y := range shapeSide {
			for x := range shapeSide {
				v := d.Noise * rng.NormFloat64()
				if inShape(class, float64(x)+0.5-cx, float64(y)+0.5-cy, size) {
					v++
				}
				b.X = append(b.X, float32(v))
			}
		}
		b.Labels = append(b.Labels, int32(class))
		return nil
	}), nil
}

// inShape says whether a point beside its centre belongs to a shape.
func inShape(class int, x, y, size float64) bool {
	x, y = math.Abs(x), math.Abs(y)
	switch shapeNames[class] {
	case "bar":
		return x <= size && y <= 1
	case "cross":
		return x <= size && y <= 1 || y <= size && x <= 1
	case "square":
		return max(x, y) <= size*0.8
	}
	return x*x+y*y <= size*size*0.8
}

// sums is a synthetic text of sums, one on each line.
func sums(n int, seed uint64) string {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(seed, streamExamples))
	for range n {
		x, y := rng.IntN(100), rng.IntN(100)
		fmt.Fprintf(&b, "%d+%d=%d\n", x, y, x+y)
	}
	return b.String()
}
