package tokenizer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// prose returns about 1 MB of English: the file $MICA_PROSE, or the Go
// specification that comes with the toolchain, as often as it takes.
func prose(b *testing.B) string {
	path := os.Getenv("MICA_PROSE")
	if path == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			b.Skipf("no prose: set MICA_PROSE to a text file (go env: %v)", err)
		}
		path = filepath.Join(strings.TrimSpace(string(root)), "doc", "go_spec.html")
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		b.Skipf("no prose: set MICA_PROSE to a text file (%v)", err)
	}
	return strings.Repeat(string(text), 1+1_000_000/len(text))[:1_000_000]
}

func BenchmarkEncodeProse(b *testing.B) {
	text := prose(b)
	for _, pre := range []string{"smollm", "gpt-2", "llama-bpe", "qwen2"} {
		bpe := smol(b, pre)
		b.Run(pre, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				bpe.Encode(text, EncodeOptions{})
			}
		})
	}
	b.Run("smollm-cold", func(b *testing.B) {
		bpe := smol(b, "smollm")
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			bpe.cache = newWordCache()
			bpe.Encode(text, EncodeOptions{})
		}
	})
}

// BenchmarkEncodeFamilies is for comparison with
// tools/oracle/tokenizer_families.py speed FILE, on the same file. "cold" begins
// with an empty cache of words each time, "again" has seen the text before.
func BenchmarkEncodeFamilies(b *testing.B) {
	text := prose(b)
	for _, name := range append(slices.Clone(families), "gemma3-gguf") {
		var bpe *BPE
		if name == "gemma3-gguf" {
			bpe = realGGUF(b)
		} else {
			bpe = realTokenizer(b, name)
		}
		b.Run(name+"/cold", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				bpe.cache = newWordCache()
				bpe.Encode(text, EncodeOptions{})
			}
		})
		b.Run(name+"/again", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				bpe.Encode(text, EncodeOptions{})
			}
		})
	}
}

// BenchmarkScores makes a tokenizer of what a GGUF file of Gemma 3 holds.
func BenchmarkScores(b *testing.B) {
	c := realGGUFConfig(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewBPE(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromJSON(b *testing.B) {
	for _, name := range families {
		file, err := os.ReadFile(real(b, name, "tokenizer.json"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := FromJSON(file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncodeHostile shows growth with the length: each size takes at most
// a little over twice the time of the one before.
func BenchmarkEncodeHostile(b *testing.B) {
	b.Run("smollm", func(b *testing.B) { encodeHostile(b, smol(b, "smollm")) })
	b.Run("gemma3", func(b *testing.B) { encodeHostile(b, realTokenizer(b, "gemma3")) })
	b.Run("gemma3-gguf", func(b *testing.B) { encodeHostile(b, realGGUF(b)) })
}

func encodeHostile(b *testing.B, bpe *BPE) {
	for name, unit := range hostileUnits {
		for _, size := range []struct {
			name string
			n    int
		}{{"512KiB", 1 << 19}, {"1MiB", 1 << 20}} {
			text := strings.Repeat(unit, size.n/len(unit))
			b.Run(name+"/"+size.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					bpe.Encode(text, EncodeOptions{Special: true})
				}
			})
		}
	}
}

func BenchmarkNewBPE(b *testing.B) {
	c := smolConfig(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewBPE(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	bpe := smol(b, "smollm")
	ids := bpe.Encode(prose(b), EncodeOptions{})
	b.SetBytes(1_000_000)
	for b.Loop() {
		bpe.Decode(ids)
	}
}
