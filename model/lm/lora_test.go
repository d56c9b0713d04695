package lm

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/micaml/mica/grad"
	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// peft is a file of tools/oracle/lora.py.
type peft struct {
	Shape     []int
	Targets   []int32
	Logits    string
	Yardstick float64 `json:"torch_f32_max_error"`
	Gradients []struct {
		Tensor    string
		Norm, Sum float64
	}
}

func readPEFT(t *testing.T, name string) (ref peft, logits []float32, dir string) {
	t.Helper()
	b, err := os.ReadFile("testdata/lora/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	if b, err = base64.StdEncoding.DecodeString(ref.Logits); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += 4 {
		logits = append(logits, math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
	}
	z, err := zip.OpenReader("testdata/lora/" + name + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir = t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	return ref, logits, dir
}

// allLogits runs a sequence and returns the logits of each row.
func allLogits(t *testing.T, n pass.Net, seq *pass.Seq) []float32 {
	t.Helper()
	eng := pass.NewEngine(n, pass.Options{Mode: op.Exact, Threads: 2})
	defer eng.Close()
	p, err := eng.Begin(seq)
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, eng.Depth()); err != nil {
		t.Fatal(err)
	}
	rows := make([]int, len(seq.Tokens))
	for i := range rows {
		rows[i] = i
	}
	y, err := p.Logits(rows...)
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), y...)
}

var families6 = []string{"llama", "qwen2", "qwen3", "gpt2", "gptneox", "gemma3"}

// Adapters that PEFT made give its logits on a folder of transformers and on a GGUF
// file, whose rows may lie otherwise, as an overlay and on a sequence; saved again
// they are the same file.
func TestPEFT(t *testing.T) {
	for _, name := range families6 {
		ref, want, dir := readPEFT(t, name)
		folder, err := openSaved(t, saved(t, name))
		if err != nil {
			t.Fatal(err)
		}
		file, r := checkpoint(t, name)
		for from, base := range map[string]*Decoder{"folder": folder, "gguf": file} {
			a, err := lora.Load(base, dir)
			if err != nil {
				t.Errorf("%s, %s: %v", name, from, err)
				continue
			}
			over, err := a.Net(base)
			if err != nil {
				t.Fatal(err)
			}
			got := allLogits(t, over, pass.NewSeq(r.Tokens...))
			worst, change := 0.0, 0.0
			plain := allLogits(t, base, pass.NewSeq(r.Tokens...))
			for i := range want {
				worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
				change = max(change, math.Abs(float64(got[i])-float64(plain[i])))
			}
			t.Logf("%s, %s: worst error %.1e, PyTorch's %.1e; the adapter changes logits by up to %.2g", name, from, worst, ref.Yardstick, change)
			if worst > 2*ref.Yardstick+1e-6 || len(got) != len(want) || change < 0.1 {
				t.Errorf("%s, %s: logits differ from PEFT's by %.2g, which PyTorch's float32 does by %.2g; the adapter changes them by %.2g", name, from, worst, ref.Yardstick, change)
			}
			seq := pass.NewSeq(r.Tokens...)
			seq.Adapter = a
			for i, x := range allLogits(t, base, seq) {
				if math.Float32bits(x) != math.Float32bits(got[i]) {
					t.Errorf("%s, %s: logit %d on a sequence is %v, in an overlay %v", name, from, i, x, got[i])
					break
				}
			}
			again := t.TempDir()
			if err := a.Save(again); err != nil {
				t.Fatal(err)
			}
			sameFile(t, name+", "+from, filepath.Join(again, "adapter_model.safetensors"), filepath.Join(dir, "adapter_model.safetensors"))
			if b, err := lora.Load(base, again); err != nil || b.Settings().Alpha != a.Settings().Alpha || b.Settings().RSLoRA != a.Settings().RSLoRA {
				t.Errorf("%s, %s: read again: %v", name, from, err)
			}
		}
	}
}

func sameFile(t *testing.T, what, got, want string) {
	t.Helper()
	a, err1 := os.ReadFile(got)
	b, err2 := os.ReadFile(want)
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("%s: what mica saves is not PEFT's file: %v %v", what, err1, err2)
	}
}

// Gradients are PEFT's: those of a saved adapter whose numbers are the gradients, so
// that rows are back in transformers' order.
func TestPEFTGradients(t *testing.T) {
	for _, name := range families6 {
		ref, _, dir := readPEFT(t, name)
		base, r := checkpoint(t, name)
		a, err := lora.Load(base, dir)
		if err != nil {
			t.Fatal(err)
		}
		over, err := a.Net(base)
		if err != nil {
			t.Fatal(err)
		}
		nn.Train(a)
		eng := pass.NewEngine(over, pass.Options{Mode: op.Exact})
		defer eng.Close()
		c := eng.NewCtx()
		tape := grad.Start(c)
		p, err := eng.BeginTaped(c, pass.NewSeq(r.Tokens...))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.RunCheckpointed(context.Background(), 0, eng.Depth()); err != nil {
			t.Fatal(err)
		}
		rows := make([]int, len(r.Tokens))
		for i := range rows {
			rows[i] = i
		}
		logits, err := p.HeadVal("logits", rows...)
		if err != nil {
			t.Fatal(err)
		}
		if err := tape.Backward(op.CrossEntropy(c, logits, ref.Targets)); err != nil {
			t.Fatal(err)
		}
		p.End()
		tape.End()
		for _, w := range a.Weights() {
			x, _ := w.F32()
			copy(x, w.Grad)
		}
		out := t.TempDir()
		if err := a.Save(out); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(out, "adapter_model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		got := measured(t, b)
		if len(got) != len(ref.Gradients) {
			t.Errorf("%s: %d tensors, PEFT has %d", name, len(got), len(ref.Gradients))
		}
		for _, g := range ref.Gradients {
			m := got[g.Tensor]
			if math.Abs(m[0]-g.Norm) > 1e-4*g.Norm || math.Abs(m[1]-g.Sum) > 1e-4*g.Norm || g.Norm == 0 {
				t.Errorf("%s: gradient of %s: norm %v and sum %v, PEFT has %v and %v", name, g.Tensor, m[0], m[1], g.Norm, g.Sum)
			}
		}
	}
}

// measured returns the norm of each tensor of a file, and its sum weighted by cos(i).
func measured(t *testing.T, b []byte) map[string][2]float64 {
	t.Helper()
	n := int(binary.LittleEndian.Uint64(b))
	var header map[string]struct {
		Offsets []int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	out := map[string][2]float64{}
	for name, h := range header {
		if h.Offsets == nil {
			continue
		}
		norm, sum := 0.0, 0.0
		for i := 0; i < (h.Offsets[1]-h.Offsets[0])/4; i++ {
			x := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[8+n+h.Offsets[0]+4*i:])))
			norm += x * x
			sum += x * math.Cos(float64(i))
		}
		out[name] = [2]float64{math.Sqrt(norm), sum}
	}
	return out
}

// An adapter of one family is none of another's.
func TestPEFTOfAnother(t *testing.T) {
	_, _, dir := readPEFT(t, "gpt2")
	base, _ := checkpoint(t, "llama")
	_, err := lora.Load(base, dir)
	want := fmt.Sprintf("%s: lora: the adapter is of another model: tensor %q: the network has no %q",
		filepath.Join(dir, "adapter_model.safetensors"), "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", "transformer.h.0.attn.c_attn")
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}
