package conv

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Winograd's errors against float64 are at most twice PyTorch's in float32, in root
// mean square (tools/oracle/conv_error.py, torch 2.15.0; normal numbers, or their
// magnitudes).
func TestError(t *testing.T) {
	for _, c := range []struct {
		images, side, channels int
		positive               bool
		y, dx, dw              float64
	}{
		{2, 32, 32, false, 5.02e-06, 4.97e-06, 1.01e-05},
		{2, 32, 32, true, 4.53e-05, 4.51e-05, 2.22e-04},
		{1, 7, 256, false, 1.11e-05, 9.27e-06, 7.46e-07},
		{1, 7, 256, true, 9.76e-05, 8.25e-05, 2.51e-06},
	} {
		s := &Shape{N: c.images, H: c.side, W: c.side, In: c.channels, Out: c.channels, Groups: 1, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Top: 1, Left: 1, Bottom: 1, Right: 1}
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		if !s.winograd() {
			t.Fatalf("%+v is not Winograd's", c)
		}
		nx, ny, nw := s.sizes()
		r := rand.New(rand.NewPCG(1, 1))
		x, dy, w := normals(r, nx), normals(r, ny), normals(r, nw)
		if c.positive {
			for _, v := range [][]float32{x, dy, w} {
				for i := range v {
					v[i] = float32(math.Abs(float64(v[i])))
				}
			}
		}
		y, dx, dw := make([]float32, ny), make([]float32, nx), make([]float32, nw)
		var sc Scratch
		Forward(nil, &sc, s, y, x, w, false)
		Adjoint(nil, &sc, s, dx, dy, w, false)
		Gradient(nil, &sc, s, dw, dy, x)
		wantY, wantX, wantW := make([]float64, ny), make([]float64, nx), make([]float64, nw)
		reference(s, func(i, j, k int) {
			wantY[i] += float64(x[j]) * float64(w[k])
			wantX[j] += float64(dy[i]) * float64(w[k])
			wantW[k] += float64(x[j]) * float64(dy[i])
		})
		for _, q := range []struct {
			name  string
			got   []float32
			want  []float64
			torch float64
		}{{"y", y, wantY, c.y}, {"dx", dx, wantX, c.dx}, {"dw", dw, wantW, c.dw}} {
			sum := 0.0
			for i, v := range q.got {
				e := float64(v) - q.want[i]
				sum += e * e
			}
			rms := math.Sqrt(sum / float64(len(q.got)))
			t.Logf("%+v %s: %.2e, %.2f times PyTorch's", c, q.name, rms, rms/q.torch)
			if !(rms <= 2*q.torch) {
				t.Errorf("%+v: the error of %s is %.2e, PyTorch's %.2e", c, q.name, rms, q.torch)
			}
		}
	}
}
