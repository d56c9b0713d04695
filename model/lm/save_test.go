package lm

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
)

// writeFolder writes a network as a folder.
func writeFolder(t *testing.T, n *Decoder) (dir string) {
	t.Helper()
	dir = t.TempDir()
	config, err := n.ConfigJSON(0)
	if err != nil {
		t.Fatal(err)
	}
	var weights bytes.Buffer
	if err := n.WriteWeights(&weights); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.json"), config)
	write(t, filepath.Join(dir, "model.safetensors"), weights.Bytes())
	return dir
}

// numbers are all numbers of a network, by the names of its weights.
func numbers(t *testing.T, n *Decoder) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, w := range n.Weights() {
		x := make([]float32, w.Rows*w.Cols)
		for i := range w.Rows {
			if err := w.DequantRow(i, x[i*w.Cols:(i+1)*w.Cols]); err != nil {
				t.Fatal(err)
			}
		}
		all[w.Name] = x
	}
	return all
}

// What is written holds the numbers that transformers has saved, in its layout: from
// its own files, and from GGUF files of the same models, in which rotary pairs lie
// otherwise.
func TestWriteFolder(t *testing.T) {
	for _, name := range []string{"llama", "qwen2", "qwen3"} {
		own, err := openSaved(t, saved(t, name))
		if err != nil {
			t.Fatal(err)
		}
		fromGGUF, ref := checkpoint(t, name)
		ref.Sites = slices.DeleteFunc(ref.Sites, func(s ReferenceSite) bool { return s.Site != "logits" })
		for from, n := range map[string]*Decoder{"folder": own, "GGUF": fromGGUF} {
			again, err := openSaved(t, writeFolder(t, n))
			if err != nil {
				t.Fatalf("%s from %s: %v", name, from, err)
			}
			have := numbers(t, again)
			for tensor, want := range numbers(t, own) {
				if !slices.Equal(have[tensor], want) {
					t.Errorf("%s from %s: %s differs", name, from, tensor)
				}
			}
			c := again.Config
			c.Name = own.Config.Name
			if c != own.Config {
				t.Errorf("%s from %s: %+v, want %+v", name, from, c, own.Config)
			}
			if s, ok := verify(t, again, ref).First(); ok {
				t.Errorf("%s from %s: %s is off by %.3g", name, from, s.Name(), s.Error)
			}
		}
	}
	for _, name := range []string{"gpt2", "gptneox", "gemma3"} {
		n, _ := checkpoint(t, name)
		if err := n.WriteWeights(new(bytes.Buffer)); err == nil || err.Error() != "lm: a "+name+" can't be written as a folder of safetensors; llama, qwen2 and qwen3 can" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
