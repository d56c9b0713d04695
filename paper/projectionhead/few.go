package projectionhead

import (
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/look/probe"
)

// few is a downstream task of section 4: 60 independent features of -1 and 1, of which
// the last one decides the label. All have strength 1 and noise 0.6 but the last.
type few struct{ Phi, Sigma float64 }

const fewFeatures = 60

// reference are the specification's accuracies before and after the projection, at 20
// points, by the last feature's strength.
var reference = []struct{ phi, pre, post float64 }{
	{0.2, 0.51, 0.50}, {0.4, 0.54, 0.54}, {0.6, 0.62, 0.63}, {1, 0.75, 0.76}, {2, 0.96, 0.87}, {4, 1, 0.89},
}

// fewSeen is the mean of many draws.
type fewSeen struct {
	Pre   float64 `json:"pre"`
	Post  float64 `json:"post"`
	Gain  float64 `json:"gain"`  // pre - post
	Error float64 `json:"error"` // of gain: half of its 95 % interval
}

// strengths are the features' before and after the projection, and whether theory says
// that before is better: s_j below a mean of all.
func (f few) strengths() (pre, post []float64, better bool) {
	up, down, last := 0.0, 0.0, 0.0
	for j := range fewFeatures {
		phi, sigma := 1.0, 0.6
		if j == fewFeatures-1 {
			phi, sigma = f.Phi, f.Sigma
		}
		s := weight(phi, sigma)
		pre, post = append(pre, phi*math.Sqrt(s)), append(post, phi*s)
		up += phi * phi * s * s
		down += phi * phi * s
		last = s
	}
	return pre, post, last < up/down
}

// measure draws n points to learn from by least squares of least norm, and 500 to test
// on, over and over; both representations are of the same points.
func (f few) measure(seed uint64, n, draws int) (fewSeen, error) {
	rng := rand.New(rand.NewPCG(seed, 71))
	pre, post, _ := f.strengths()
	var gains []float64
	out := fewSeen{}
	for range draws {
		learn, test := signs(rng, n), signs(rng, 500)
		a, err := fewAccuracy(learn, test, pre)
		if err != nil {
			return out, err
		}
		b, err := fewAccuracy(learn, test, post)
		if err != nil {
			return out, err
		}
		out.Pre += a / float64(draws)
		out.Post += b / float64(draws)
		gains = append(gains, a-b)
	}
	out.Gain, out.Error = interval(gains)
	return out, nil
}

// signs draws points whose label is the last feature; both classes are there.
func signs(rng *rand.Rand, n int) *probe.Data {
	for {
		d := &probe.Data{Width: fewFeatures, Classes: 2}
		for range n {
			for range fewFeatures {
				d.X = append(d.X, float32(2*rng.IntN(2)-1))
			}
			d.Labels = append(d.Labels, int32(d.X[len(d.X)-1]+1)/2)
		}
		for _, l := range d.Labels {
			if l != d.Labels[0] {
				return d
			}
		}
	}
}

func fewAccuracy(learn, test *probe.Data, r []float64) (float64, error) {
	p, err := probe.Minimum(scaled(learn, r), false)
	if err != nil {
		return 0, err
	}
	s, err := p.Score(scaled(test, r))
	return s.Accuracy, err
}

func scaled(d *probe.Data, r []float64) *probe.Data {
	o := *d
	o.X = make([]float32, len(d.X))
	for i, x := range d.X {
		o.X[i] = float32(float64(x) * r[i%d.Width])
	}
	return &o
}
