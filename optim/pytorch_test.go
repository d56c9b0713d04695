package optim_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// fixture is a file of testdata/, made by tools/oracle/optim.py.
type fixture struct {
	Optimiser string
	Cases     []struct {
		Name string
		Args struct {
			Momentum float32
			Nesterov bool
			Decay    float64 `json:"weight_decay"`
			Betas    [2]float64
			Eps      float64
		}
		Clip         float64
		Rates, Norms []float64
		Weights      map[string]array
		Grads, After []map[string]array
		Yardstick    []map[string]float64 `json:"torch_f32_max_error"`
	}
}

type array struct {
	Shape    []int
	F32, F64 string
}

func decode[T any](t *testing.T, s string) []T {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]T, len(b)/binary.Size(*new(T)))
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// PyTorch's weights in float64 after each of five steps: ours may be off by twice
// what PyTorch's float32 is, or by a few roundings of the largest weight.
func TestPyTorch(t *testing.T) {
	for _, name := range []string{"sgd", "adam", "adamw"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Cases {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				a := c.Args
				adam := optim.Adam{Beta1: a.Betas[0], Beta2: a.Betas[1], Eps: a.Eps, Decay: a.Decay}
				rule := map[string]optim.Rule{"adam": adam, "adamw": optim.AdamW(adam),
					"sgd": optim.SGD{Momentum: a.Momentum, Nesterov: a.Nesterov, Decay: float32(a.Decay)}}[name]
				var weights []*op.Weight
				for _, k := range []string{"matrix", "bias", "one"} {
					v := c.Weights[k]
					w := op.NewWeight(k, tensor.FromFloat32(v.Shape[0], v.Shape[1], decode[float32](t, v.F32)))
					w.Train()
					weights = append(weights, w)
				}
				o, err := optim.New(nil, rule, weights)
				if err != nil {
					t.Fatal(err)
				}
				share := 0.0
				for step, rate := range c.Rates {
					for _, w := range weights {
						copy(w.Grad, decode[float32](t, c.Grads[step][w.Name].F32))
					}
					most := c.Clip
					if most == 0 {
						most = 1e30
					}
					if norm := optim.Clip(most, o); math.Abs(norm-c.Norms[step]) > 1e-6*norm {
						t.Errorf("step %d: norm %v, want %v", step, norm, c.Norms[step])
					}
					o.Step(rate)
					for _, w := range weights {
						got, _ := w.F32()
						size, worst := 0.0, 0.0
						for i, want := range decode[float64](t, c.After[step][w.Name].F64) {
							size = max(size, math.Abs(want))
							worst = max(worst, math.Abs(float64(got[i])-want))
						}
						limit := 2*c.Yardstick[step][w.Name] + 4e-7*size
						if !(worst <= limit) {
							t.Errorf("step %d: %s is off by %.3g, PyTorch float32 by %.3g", step, w.Name, worst, c.Yardstick[step][w.Name])
						}
						share = max(share, worst/limit)
					}
				}
				t.Logf("at worst %.0f %% of what is allowed", 100*share)
			})
		}
	}
}
