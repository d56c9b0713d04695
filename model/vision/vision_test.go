package vision_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/pass/passtest"
	"github.com/micaml/mica/tensor"
)

// network is what all networks here are.
type network interface {
	pass.Net
	nn.Module
	Training(nn.Clock)
	Inference()
	Running() map[string]*op.Running
}

// networks are those of tools/oracle/vision.py.
var networks = map[string]struct {
	width int
	make  func(rng *rand.Rand) (network, error)
}{
	"mlp": {6, func(rng *rand.Rand) (network, error) {
		return vision.NewMLP(rng, vision.MLP{Inputs: 6, Hidden: []int{5, 7}, Classes: 4})
	}},
	"cnn": {5 * 6 * 2, func(rng *rand.Rand) (network, error) {
		return vision.NewCNN(rng, vision.CNN{Height: 5, Width: 6, Channels: 2, Classes: 4,
			Blocks: []vision.Block{{Channels: 4}, {Channels: 4, Residual: true}, {Channels: 6, Stride: 2}}})
	}},
	"vit": {4 * 6 * 2, func(rng *rand.Rand) (network, error) {
		return vision.NewViT(rng, vision.ViT{Height: 4, Width: 6, Channels: 2, Patch: 2, Layers: 2, Dim: 8, Heads: 2, MLP: 12, Classes: 4})
	}},
}

func build(t testing.TB, name string) network {
	t.Helper()
	n, err := networks[name].make(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConform(t *testing.T) {
	for name, k := range networks {
		t.Run(name, func(t *testing.T) {
			n := build(t, name)
			passtest.Conform(t, passtest.Case{Net: n, Weights: nn.Train(n), Seqs: func() []*pass.Seq {
				var seqs []*pass.Seq
				rng := rand.New(rand.NewPCG(4, 4))
				for range 3 {
					x := make([]float32, k.width)
					for i := range x {
						x[i] = float32(rng.NormFloat64())
					}
					seqs = append(seqs, &pass.Seq{Input: x})
				}
				return seqs
			}})
		})
	}
}

// array is an array of a fixture.
type array struct {
	Shape []int  `json:"shape"`
	F32   []byte `json:"f32"`
	F64   []byte `json:"f64"`
	I32   []byte `json:"i32"`
}

func (a array) float32() []float32 {
	x := make([]float32, len(a.F32)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.F32[4*i:]))
	}
	return x
}

func (a array) float64() []float64 {
	x := make([]float64, len(a.F64)/8)
	for i := range x {
		x[i] = math.Float64frombits(binary.LittleEndian.Uint64(a.F64[8*i:]))
	}
	return x
}

func (a array) int32() []int32 {
	x := make([]int32, len(a.I32)/4)
	for i := range x {
		x[i] = int32(binary.LittleEndian.Uint32(a.I32[4*i:]))
	}
	return x
}

// Each network is PyTorch's, in training and after it, to at most twice the error of
// PyTorch's own float32.
func TestPyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/vision.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Cases map[string]struct {
			X, Labels, Logits array
			Loss              float64
			LossError         float64 `json:"loss_error"`
			LogitsError       float64 `json:"logits_error"`
			GradientError     float64 `json:"gradient_error"`
			Weights           map[string]array
			Gradients         map[string]array
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	for name := range networks {
		t.Run(name, func(t *testing.T) {
			k, n := f.Cases[name], build(t, name)
			for _, w := range n.Weights() {
				a, ok := k.Weights[w.Name]
				if !ok || a.Shape[0] != w.Rows || a.Shape[1] != w.Cols {
					t.Fatalf("weight %s [%d, %d] is %v in PyTorch's", w.Name, w.Rows, w.Cols, a.Shape)
				}
				w.Storage = tensor.FromFloat32(w.Rows, w.Cols, a.float32())
				w.Train()
			}
			if len(n.Weights()) != len(k.Weights) {
				t.Fatalf("%d weights, PyTorch has %d", len(n.Weights()), len(k.Weights))
			}
			eng := pass.NewEngine(n, pass.Options{Threads: 2})
			defer eng.Close()
			x, labels := k.X.float32(), k.Labels.int32()
			first := make([]int, len(labels))
			seqs := func() (s []*pass.Seq) {
				for i := range labels {
					w := len(x) / len(labels)
					s = append(s, &pass.Seq{Input: x[i*w : (i+1)*w]})
				}
				return s
			}
			rows := func(p *pass.Pass) []int {
				for i, r := range slices.Backward(p.Rows()) {
					first[r.Seq] = i
				}
				return first
			}

			n.Training(nn.Clock{})
			c := eng.NewCtx()
			tape := grad.Start(c)
			p, err := eng.BeginTaped(c, seqs()...)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Run(context.Background(), 0, eng.Depth()); err != nil {
				t.Fatal(err)
			}
			logits, err := p.HeadVal("logits", rows(p)...)
			if err != nil {
				t.Fatal(err)
			}
			loss := op.CrossEntropy(c, logits, labels)
			got := float64(c.Data(loss)[0])
			if err := tape.Backward(loss); err != nil {
				t.Fatal(err)
			}
			const least = 1e-6
			if math.Abs(got-k.Loss) > max(2*k.LossError, least) {
				t.Errorf("loss %v, want %v", got, k.Loss)
			}
			for _, w := range n.Weights() {
				for i, want := range k.Gradients[w.Name].float64() {
					if d := math.Abs(float64(w.Grad[i]) - want); !(d <= max(2*k.GradientError, least)) {
						t.Fatalf("gradient %d of %s is %v, want %v; PyTorch float32 is off by %v", i, w.Name, w.Grad[i], want, k.GradientError)
					}
				}
			}
			p.End()
			tape.End()

			n.Inference()
			q, err := eng.Begin(seqs()...)
			if err != nil {
				t.Fatal(err)
			}
			defer q.End()
			if err := q.Run(context.Background(), 0, eng.Depth()); err != nil {
				t.Fatal(err)
			}
			y, err := q.Logits(rows(q)...)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range k.Logits.float64() {
				if d := math.Abs(float64(y[i]) - want); !(d <= max(2*k.LogitsError, least)) {
					t.Errorf("logit %d is %v, want %v; PyTorch float32 is off by %v", i, y[i], want, k.LogitsError)
				}
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for want, make := range map[string]func() (network, error){
		"vision: an MLP without hidden layers": func() (network, error) {
			return vision.NewMLP(rng, vision.MLP{Inputs: 2, Classes: 2})
		},
		"vision: an MLP of sizes [2 0 3]": func() (network, error) {
			return vision.NewMLP(rng, vision.MLP{Inputs: 2, Hidden: []int{3}})
		},
		"vision: dropout of 1 is not in [0, 1)": func() (network, error) {
			return vision.NewMLP(rng, vision.MLP{Inputs: 2, Hidden: []int{3}, Classes: 2, Dropout: 1})
		},
		"vision: block conv.0: 1 channels to 4 with a stride of 1 can't be residual": func() (network, error) {
			return vision.NewCNN(rng, vision.CNN{Height: 4, Width: 4, Channels: 1, Classes: 2, Blocks: []vision.Block{{Channels: 4, Residual: true}}})
		},
		"vision: pictures of 4x6 don't make patches of 4x4": func() (network, error) {
			return vision.NewViT(rng, vision.ViT{Height: 4, Width: 6, Channels: 1, Patch: 4, Layers: 1, Dim: 4, Heads: 2, MLP: 4, Classes: 2})
		},
		"vision: a width of 6 for 4 heads": func() (network, error) {
			return vision.NewViT(rng, vision.ViT{Height: 4, Width: 4, Channels: 1, Patch: 4, Layers: 1, Dim: 6, Heads: 4, MLP: 4, Classes: 2})
		},
	} {
		if _, err := make(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestInputOfAnotherSize(t *testing.T) {
	eng := pass.NewEngine(build(t, "cnn"), pass.Options{})
	defer eng.Close()
	if _, err := eng.Begin(&pass.Seq{Input: make([]float32, 7)}); err == nil || err.Error() != "vision: input of 7 numbers, want 60 of shape [5 6 2]" {
		t.Error(err)
	}
}
