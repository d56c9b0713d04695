package op_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// fixture is a file of testdata/, made by tools/oracle/ops.py: what PyTorch
// computes in float64, and how far its float32 is from that.
type fixture struct {
	Op    string
	Cases []fixtureCase
}

type fixtureCase struct {
	Name  string
	Attrs struct {
		Eps      float32
		Layout   string
		Base     float32
		Rotary   int
		Heads    int
		KVHeads  int `json:"kv_heads"`
		HeadDim  int `json:"head_dim"`
		Offset   int
		LastRows int `json:"last_rows"`
		Samples  int
		Groups   int
		Training bool
		Window   []int
		CountPad bool `json:"count_padding"`
		Transp   bool `json:"transposed"`

		F, Smoothing float32
		N            int
	}
	Inputs, Outputs, Grads map[string]array
	Yardstick              map[string]float64 `json:"torch_f32_max_error"`
}

type array struct {
	Shape         []int
	Type          string
	F32, F64, I32 string
	Raw           string
}

func decode[T any](s string) []T {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	out := make([]T, len(b)/binary.Size(*new(T)))
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		panic(err)
	}
	return out
}

// rows and width of an array as mica packs it.
func (a array) matrix() (int, int) {
	if len(a.Shape) == 0 {
		return 1, 1
	}
	w := 1
	for _, d := range a.Shape[1:] {
		w *= d
	}
	return a.Shape[0], w
}

// run is one fixture case in a context with a tape.
type run struct {
	t    *testing.T
	c    *op.Ctx
	tape *grad.Tape
	fixtureCase
	leaves  map[string]op.Val
	weights map[string]*op.Weight
	worst   map[string]float64 // error by result, in yardsticks
}

// leaf is an input whose gradient is checked.
func (r *run) leaf(name string) op.Val {
	a := r.Inputs[name]
	m, n := a.matrix()
	v := r.c.From(decode[float32](a.F32), m, n)
	r.c.Want(v)
	r.leaves[name] = v
	return v
}

func (r *run) weight(name string) *op.Weight {
	a := r.Inputs[name]
	var w *op.Weight
	if a.Type != "" {
		b, err := base64.StdEncoding.DecodeString(a.Raw)
		if err != nil {
			r.t.Fatal(err)
		}
		s, err := tensor.NewStorage(dtype(r.t, a.Type), a.Shape[0], a.Shape[1], b)
		if err != nil {
			r.t.Fatal(err)
		}
		return op.NewWeight(name, s)
	}
	m, n := a.matrix()
	if len(a.Shape) == 1 {
		m, n = 1, a.Shape[0]
	}
	w = op.NewWeight(name, tensor.FromFloat32(m, n, decode[float32](a.F32)))
	w.Train()
	r.weights[name] = w
	return w
}

// optional is a weight that only some cases have.
func (r *run) optional(name string) *op.Weight {
	if _, ok := r.Inputs[name]; !ok {
		return nil
	}
	return r.weight(name)
}

func dtype(t *testing.T, name string) tensor.DType {
	for _, d := range []tensor.DType{tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1} {
		if d.String() == name {
			return d
		}
	}
	t.Fatalf("type %s", name)
	return 0
}

// floor is an error that float32 can't avoid, as a share of the largest
// number: PyTorch may be luckier in a small case.
const floor = 4e-7

// compare checks got against the float64 reference: at most twice PyTorch's
// own float32 error.
func (r *run) compare(what string, got []float32, want array) {
	r.t.Helper()
	ref := decode[float64](want.F64)
	if len(got) != len(ref) {
		r.t.Fatalf("%s: %s has %d numbers, want %d", r.Name, what, len(got), len(ref))
	}
	worst, scale := 0.0, 0.0
	for i := range ref {
		worst = max(worst, math.Abs(float64(got[i])-ref[i]))
		scale = max(scale, math.Abs(ref[i]))
		if got[i] != got[i] {
			r.t.Fatalf("%s: %s[%d] is NaN", r.Name, what, i)
		}
	}
	limit := 2*r.Yardstick[what] + floor*scale
	if worst > limit {
		r.t.Errorf("%s: %s is off by %.3g, PyTorch float32 by %.3g", r.Name, what, worst, r.Yardstick[what])
	}
	r.worst[what] = max(r.worst[what], worst/max(scale, 1)) // relative, of small numbers absolute
}

// check compares the output and, after a backward pass from dy, every
// gradient of the fixture.
func (r *run) check(y op.Val) {
	r.t.Helper()
	if err := r.c.Err(); err != nil {
		r.t.Fatalf("%s: %v", r.Name, err)
	}
	r.compare("y", r.c.Data(y), r.Outputs["y"])
	if err := r.tape.BackwardFrom(grad.Seed{Val: y, Grad: decode[float32](r.Inputs["dy"].F32)}); err != nil {
		r.t.Fatalf("%s: %v", r.Name, err)
	}
	for name, want := range r.Grads {
		in := name[1:]
		if w, ok := r.weights[in]; ok {
			r.compare(name, w.Grad, want)
		} else {
			r.compare(name, r.tape.Into(r.leaves[in]), want)
		}
	}
}

// forward says how each fixture's op is called.
var forward = joined(coreForward, mathForward, sequenceForward)

// joined is the maps as one.
func joined(maps ...map[string]func(r *run)) map[string]func(r *run) {
	all := map[string]func(r *run){}
	for _, m := range maps {
		for k, f := range m {
			all[k] = f
		}
	}
	return all
}

var coreForward = map[string]func(r *run){
	"add":       func(r *run) { r.check(op.Add(r.c, r.leaf("a"), r.leaf("b"))) },
	"mul":       func(r *run) { r.check(op.Mul(r.c, r.leaf("a"), r.leaf("b"))) },
	"relu":      func(r *run) { r.check(op.ReLU(r.c, r.leaf("x"))) },
	"sigmoid":   func(r *run) { r.check(op.Sigmoid(r.c, r.leaf("x"))) },
	"tanh":      func(r *run) { r.check(op.Tanh(r.c, r.leaf("x"))) },
	"gelu":      func(r *run) { r.check(op.GELU(r.c, r.leaf("x"))) },
	"gelu_tanh": func(r *run) { r.check(op.GELUTanh(r.c, r.leaf("x"))) },
	"silu":      func(r *run) { r.check(op.SiLU(r.c, r.leaf("x"))) },
	"swiglu":    func(r *run) { r.check(op.SwiGLU(r.c, r.leaf("gate"), r.leaf("up"))) },
	"softmax": func(r *run) {
		r.check(op.Softmax(r.c, r.leaf("x")))
	},
	"linear": func(r *run) {
		y := op.Linear(r.c, r.leaf("x"), r.weight("w"))
		if _, ok := r.Inputs["b"]; ok {
			y = op.Bias(r.c, y, r.weight("b"))
		}
		r.check(y)
	},
	"linear_stored": func(r *run) { r.check(op.Linear(r.c, r.leaf("x"), r.weight("w"))) },
	"embedding":     func(r *run) { r.check(op.Embedding(r.c, r.weight("w"), decode[int32](r.Inputs["ids"].I32))) },
	"rmsnorm":       func(r *run) { r.check(op.RMSNorm(r.c, r.leaf("x"), r.weight("weight"), r.Attrs.Eps)) },
	"layernorm": func(r *run) {
		r.check(op.LayerNorm(r.c, r.leaf("x"), r.weight("weight"), r.optional("bias"), r.Attrs.Eps))
	},
	"batchnorm": func(r *run) {
		run := &op.Running{Mean: decode[float32](r.Inputs["mean"].F32), Var: decode[float32](r.Inputs["var"].F32)}
		y := op.BatchNorm(r.c, r.leaf("x"), r.weight("weight"), r.optional("bias"), run, r.Attrs.Eps, r.Attrs.Training)
		r.compare("running_mean", run.Mean, r.Outputs["running_mean"])
		r.compare("running_var", run.Var, r.Outputs["running_var"])
		r.check(y)
	},
	"groupnorm": func(r *run) {
		r.check(op.GroupNorm(r.c, r.leaf("x"), r.weight("weight"), r.optional("bias"), r.Attrs.Samples, r.Attrs.Groups, r.Attrs.Eps))
	},
	"cross_entropy": func(r *run) {
		x, targets := r.leaf("logits"), decode[int32](r.Inputs["targets"].I32)
		if w, ok := r.Inputs["weights"]; ok {
			r.check(op.SmoothedCrossEntropy(r.c, x, targets, r.Attrs.Smoothing, decode[float32](w.F32)))
			return
		}
		r.check(op.CrossEntropy(r.c, x, targets))
	},
	"rope": func(r *run) {
		layout := op.Interleaved
		if r.Attrs.Layout == "neox" {
			layout = op.Halves
		}
		rot := op.NewRotary(layout, r.Attrs.HeadDim, r.Attrs.Rotary, r.Attrs.Base)
		r.check(op.Rotate(r.c, r.leaf("x"), rot, decode[int32](r.Inputs["positions"].I32)))
	},
	"attention": attentionFixture,
	"conv": func(r *run) {
		r.check(op.Conv(r.c, r.leaf("x"), r.weight("w"), &op.ConvSpec{Window: r.window(), Groups: r.Attrs.Groups, Transposed: r.Attrs.Transp}))
	},
	"max_pool": func(r *run) { r.check(op.MaxPool(r.c, r.leaf("x"), &op.PoolSpec{Window: r.window()})) },
	"avg_pool": func(r *run) {
		x := r.leaf("x")
		w := r.window()
		if r.Name == "global" {
			r.check(op.GlobalAvgPool(r.c, x, w.H*w.W))
			return
		}
		r.check(op.AvgPool(r.c, x, &op.PoolSpec{Window: w, CountPadding: r.Attrs.CountPad}))
	},
}

// window reads the attribute that ops.py's window writes.
func (r *run) window() op.Window {
	w := r.Attrs.Window
	return op.Window{H: w[0], W: w[1], KernelH: w[2], KernelW: w[3], StrideH: w[4], StrideW: w[5],
		DilationH: w[6], DilationW: w[7], Top: w[8], Left: w[9], Bottom: w[10], Right: w[11]}
}

func attentionFixture(r *run) {
	a := r.Attrs
	h := op.Heads{Query: a.Heads, KV: a.KVHeads, Dim: a.HeadDim}
	q, k, v := r.leaf("q"), r.leaf("k"), r.leaf("v")
	tq, tk := r.c.Shape(q).Rows(), r.c.Shape(k).Rows()
	cache := op.NewCache(h.KV, h.Dim, tensor.F32)
	cache.TrackSums(h.Query)
	pos := make([]int32, tk)
	for i := range pos {
		pos[i] = int32(i)
	}
	y := op.Attention(r.c, q, k, v, &op.AttentionSpec{Heads: h, Causal: true,
		Runs: []op.Run{{Queries: tq, Keys: tk, Pos: pos, Cache: cache}}})
	r.compare("column_sums", cache.Sums(), r.Outputs["column_sums"])
	last := make([]int32, a.LastRows)
	for i := range last {
		last[i] = int32(tq - a.LastRows + i)
	}
	pattern := op.Pattern(r.c, op.Rows(r.c, q, last), cache, h)
	r.compare("last_rows", r.c.Data(pattern), r.Outputs["last_rows"])
	r.check(y)
}

// fixtureWorst is the worst error of each op, as gradWorst is, for TestEveryOp.
var fixtureWorst = map[string]float64{}

func TestPyTorch(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(forward) {
		t.Fatalf("%d fixtures for %d ops (%v)", len(files), len(forward), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := filepath.Base(file[:len(file)-len(".json")])
		t.Run(name, func(t *testing.T) {
			worst := map[string]float64{}
			for _, fc := range f.Cases {
				c := op.NewCtx(op.Exact, nil)
				r := &run{t: t, c: c, tape: grad.Start(c), fixtureCase: fc, worst: worst,
					leaves: map[string]op.Val{}, weights: map[string]*op.Weight{}}
				forward[name](r)
			}
			for _, e := range worst {
				fixtureWorst[name] = max(fixtureWorst[name], e)
			}
			t.Logf("%d cases, worst errors %s", len(f.Cases), fmt.Sprint(worst))
		})
	}
}
