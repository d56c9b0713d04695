package nn_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Convolution and pooling of volumes are what loops over all of it say.
func TestVolumes(t *testing.T) {
	const volumes, in, out = 2, 3, 4
	for _, v := range []struct{ d, h, w, kernel, stride, padding int }{{5, 4, 6, 3, 2, 1}, {3, 3, 3, 2, 1, 0}, {1, 2, 2, 1, 1, 0}} {
		name := fmt.Sprint(v)
		kernel := v.kernel
		x := wave(volumes * v.d * v.h * v.w * in)
		k := wave(out * kernel * kernel * kernel * in)
		bias := []float32{1, 2, 3, 4}
		size := func(n int) int { return (n+2*v.padding-kernel)/v.stride + 1 }
		conv, pool := []float64{}, []float64{}
		for n := range volumes {
			for p := range size(v.d) * size(v.h) * size(v.w) {
				d, i, j := p/(size(v.h)*size(v.w)), p/size(v.w)%size(v.h), p%size(v.w)
				sum, top := []float64{1, 2, 3, 4}, [in]float64{}
				for c := range top {
					top[c] = math.Inf(-1)
				}
				for q := range kernel * kernel * kernel {
					a, b, e := q/kernel/kernel, q/kernel%kernel, q%kernel // plane, row, column
					z, y, u := d*v.stride+a-v.padding, i*v.stride+b-v.padding, j*v.stride+e-v.padding
					if z < 0 || z >= v.d || y < 0 || y >= v.h || u < 0 || u >= v.w {
						continue
					}
					for c := range in {
						f := float64(x[(((n*v.d+z)*v.h+y)*v.w+u)*in+c])
						top[c] = max(top[c], f)
						for o := range out {
							sum[o] += f * float64(k[(((o*kernel+b)*kernel+e)*kernel+a)*in+c])
						}
					}
				}
				conv, pool = append(conv, sum...), append(pool, top[:]...)
			}
		}
		c := op.NewCtx(op.Exact, nil)
		planes := op.PlaneSpec{Depth: v.d, Pixels: v.h * v.w, Kernel: kernel, Stride: v.stride, Front: v.padding, Back: v.padding}
		window := op.Square(v.h, v.w, kernel, v.stride, v.padding)
		l := &nn.Conv3D{W: op.NewWeight("w", tensor.FromFloat32(out, kernel*kernel*kernel*in, k)), B: op.NewWeight("b", tensor.FromFloat32(1, out, bias)),
			Planes: planes, Window: window}
		val := c.From(x, volumes*v.d*v.h*v.w, in)
		for what, pair := range map[string]struct {
			got  []float32
			want []float64
		}{"conv": {c.Data(l.Apply(c, val)), conv}, "pool": {c.Data(nn.MaxPool3D(c, val, planes, window)), pool}} {
			if len(pair.got) != len(pair.want) {
				t.Fatalf("%s %s: %d numbers, want %d (%v)", what, name, len(pair.got), len(pair.want), c.Err())
			}
			for i := range pair.want {
				if math.Abs(float64(pair.got[i])-pair.want[i]) > 1e-5 {
					t.Fatalf("%s %s: number %d is %v, want %v", what, name, i, pair.got[i], pair.want[i])
				}
			}
		}
	}
}

func wave(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)*1.7) * math.Cos(float64(i*i%97)))
	}
	return x
}
