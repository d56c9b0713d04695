package nn_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// reference is a fixture of tools/oracle, in the format of op/testdata.
type reference struct {
	Inputs, Outputs, Grads map[string]array
	Yardstick              map[string]float64 `json:"torch_f32_max_error"`
}

type array struct {
	Shape    []int
	F32, F64 string
}

func (a array) floats(t *testing.T) []float64 {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(a.F32 + a.F64)
	if err != nil {
		t.Fatal(err)
	}
	var x []float64
	for len(b) > 0 {
		if a.F64 != "" {
			x, b = append(x, math.Float64frombits(binary.LittleEndian.Uint64(b))), b[8:]
		} else {
			x, b = append(x, float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))), b[4:]
		}
	}
	return x
}

func (a array) float32s(t *testing.T) []float32 {
	t.Helper()
	var x []float32
	for _, f := range a.floats(t) {
		x = append(x, float32(f))
	}
	return x
}

// mamba makes the block of a fixture.
func (r *reference) mamba(t *testing.T) (*nn.Mamba, map[string]*op.Weight) {
	t.Helper()
	all := map[string]*op.Weight{}
	w := func(name string) *op.Weight {
		a := r.Inputs[name]
		rows, cols := 1, a.Shape[0]
		if len(a.Shape) == 2 {
			rows, cols = a.Shape[0], a.Shape[1]
		}
		all[name] = op.NewWeight(name, tensor.FromFloat32(rows, cols, a.float32s(t)))
		all[name].Train()
		return all[name]
	}
	return &nn.Mamba{In: &nn.Linear{W: w("in")}, Gate: &nn.Linear{W: w("gate")}, Conv: w("conv"), ConvB: w("conv_b"), Low: &nn.Linear{W: w("low")},
		Delta: &nn.Linear{W: w("delta"), B: w("delta_b")}, BC: &nn.Linear{W: w("bc")}, ALog: w("alog"), D: w("d"), Out: &nn.Linear{W: w("out")}}, all
}

// The block and all its gradients are transformers'.
func TestMamba(t *testing.T) {
	b, err := os.ReadFile("testdata/mamba.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases []reference }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	r := f.Cases[0]
	l, weights := r.mamba(t)
	c := op.NewCtx(op.Exact, nil)
	tape := grad.Start(c)
	defer tape.End()
	in := r.Inputs["x"]
	rows, width := in.Shape[0], in.Shape[1]
	x := c.From(in.float32s(t), rows, width)
	c.Want(x)
	state := make([]float32, l.State())
	y := l.Apply(c, x, []int32{int32(rows)}, [][]float32{state})
	if err := tape.BackwardFrom(grad.Seed{Val: y, Grad: r.Inputs["dy"].float32s(t)}); err != nil {
		t.Fatal(err)
	}
	compare := func(what string, got []float32, want array) {
		t.Helper()
		off, scale := 0.0, 0.0
		ref := want.floats(t)
		if len(got) != len(ref) {
			t.Fatalf("%s: %d numbers, want %d", what, len(got), len(ref))
		}
		for i, w := range ref {
			off, scale = max(off, math.Abs(float64(got[i])-w)), max(scale, math.Abs(w))
		}
		if off > 2*r.Yardstick[what]+4e-7*scale {
			t.Errorf("%s is off by %.3g of %.3g; PyTorch's float32 by %.3g", what, off, scale, r.Yardstick[what])
		}
	}
	compare("y", c.Data(y), r.Outputs["y"])
	compare("dx", tape.Of(x), r.Grads["dx"])
	for name, w := range weights {
		compare("d"+name, w.Grad, r.Grads["d"+name])
	}
	if len(r.Grads) != len(weights)+1 {
		t.Errorf("%d gradients for %d weights", len(r.Grads), len(weights))
	}

	// Token by token it is the same bits, and ends in the same state.
	s := op.NewCtx(op.Exact, nil)
	step, out := make([]float32, l.State()), []float32(nil)
	for i := range rows {
		v := l.Apply(s, s.From(in.float32s(t)[i*width:(i+1)*width], 1, width), []int32{1}, [][]float32{step})
		out = append(out, s.Data(v)...)
	}
	if s.Err() != nil || !slices.Equal(out, c.Data(y)) || !slices.Equal(step, state) {
		t.Errorf("token by token: other bits (%v)", s.Err())
	}
	// A state of another size is refused.
	if l.Apply(s, s.From(make([]float32, width), 1, width), []int32{1}, [][]float32{make([]float32, 3)}); s.Err() == nil {
		t.Error("a state of 3 numbers was taken")
	}
}
