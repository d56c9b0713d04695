package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/micaml/mica"

// room is a row of the table in ARCHITECTURE.md: a folder, and the rooms
// that it may import. Dependencies point downwards only: a room may import
// only rooms that stand above it in this list.
type room struct {
	name    string
	imports string // space-separated rooms
}

var rooms = []room{
	{"internal/cpu", ""},
	{"internal/f32", ""},
	{"internal/atomicfile", ""},
	{"internal/par", ""},
	{"internal/philox", ""},
	{"internal/strictjson", ""},
	{"internal/spell", ""},
	{"tensor", ""},
	{"internal/kerneltest", "internal/cpu"},
	{"internal/kernel/gemm", "internal/cpu internal/f32 internal/par tensor"},
	{"internal/kernel/qgemm", "internal/cpu internal/f32 internal/par tensor"},
	{"internal/kernel/norm", "internal/cpu internal/f32 internal/par"},
	{"internal/kernel/act", "internal/cpu internal/f32 internal/par"},
	{"internal/kernel/rope", "internal/cpu internal/f32 internal/par"},
	{"internal/kernel/attn", "internal/cpu internal/f32 internal/par internal/kernel/act internal/kernel/gemm tensor"},
	{"internal/kernel/conv", "internal/cpu internal/f32 internal/par internal/kernel/act internal/kernel/gemm"},
	{"internal/kernel/pool", "internal/cpu internal/par internal/kernel/act internal/kernel/conv"},
	{"internal/kernel/optim", "internal/cpu internal/f32 internal/par"},
	{"internal/kernel/peak", "internal/cpu internal/f32 internal/par"},
	{"op", "tensor internal/par internal/philox internal/kernel/gemm internal/kernel/qgemm internal/kernel/norm internal/kernel/act internal/kernel/rope internal/kernel/attn internal/kernel/conv internal/kernel/pool"},
	{"grad", "op"},
	{"dataset", "op"},
	{"dataset/trial", "dataset"},
	{"dataset/prose", ""},
	{"dataset/reading", "op"},
	{"optim", "op tensor internal/par internal/kernel/optim internal/kernel/act internal/spell"},
	{"nn", "op tensor"},
	{"nn/wiring", "op tensor"},
	{"pass", "op nn tensor internal/par"},
	{"pass/passtest", "pass op grad"},
	{"format/gguf", "tensor"},
	{"format/safetensors", "tensor internal/strictjson"},
	{"format/hfconfig", "internal/strictjson"},
	{"checkpoint", "op optim tensor format/safetensors internal/strictjson"},
	{"checkpoint/torture", "checkpoint op optim grad tensor internal/atomicfile"},
	{"tokenizer", ""},
	{"chat", ""},
	{"store", "internal/atomicfile"},
	{"internal/testmodel", "store"},
	{"keep", "pass op nn grad tensor"},
	{"keep/gemfilter", "keep pass op nn grad tensor"},
	{"keep/baseline", "keep pass op nn grad tensor"},
	{"keep/snapkv", "keep pass op nn grad tensor"},
	{"keep/pyramid", "keep keep/snapkv pass op nn grad tensor"},
	{"keep/h2o", "keep pass op nn grad tensor"},
	{"keep/streaming", "keep pass op nn grad tensor"},
	{"keep/tova", "keep pass op nn grad tensor"},
	{"eval/needle", "keep keep/gemfilter pass op nn grad tensor tokenizer"},
	{"eval/perplexity", "keep pass op nn grad tensor internal/kernel/act"},
	{"eval/task", ""},
	{"plot", ""},
	{"look/kernel", "op grad"},
	{"look/lens", "pass op nn grad tensor"},
	{"look/probe", ""},
	{"model/lm", "pass op nn tensor format/gguf format/safetensors format/hfconfig tokenizer chat"},
	{"model/vision", "pass op nn tensor"},
	{"train", "dataset checkpoint pass nn grad optim op plot internal/atomicfile"},
	{"internal/tinymodel", "tensor format/gguf model/lm op"},
	{"learn/elr", "train dataset checkpoint optim grad op"},
	{"learn/robust", "train dataset op"},
	{"learn/contrast", "train dataset op"},
	{"learn/head", "train dataset checkpoint nn op"},
	{"learn/lora", "train dataset pass nn op tensor format/safetensors format/hfconfig internal/atomicfile"},
	{"recipe", "train dataset checkpoint learn/elr learn/robust learn/lora model/lm model/vision tokenizer pass grad op optim tensor format/gguf format/safetensors internal/strictjson internal/atomicfile internal/kernel/peak internal/par internal/spell"},
	{"paper", "keep keep/gemfilter keep/baseline look/lens model/lm pass op tensor store internal/atomicfile"},
	{"paper/gemfilter", "paper eval/needle keep keep/gemfilter keep/baseline keep/snapkv keep/h2o keep/streaming model/lm pass plot"},
	{"paper/elr", "paper learn/elr learn/robust train dataset model/vision nn op optim pass plot"},
	{"paper/richlazy", "paper look/kernel nn/wiring dataset dataset/trial train nn op optim plot"},
	{"paper/projectionhead", "paper learn/contrast learn/head look/probe model/vision train dataset nn op optim pass plot"},
	{"paper/all", "paper paper/gemfilter paper/elr paper/richlazy paper/projectionhead"},
	{"bench/step", "tensor op grad nn pass model/lm"},
	{"bench", "*"},
	{"internal/cli", "*"},
	{"cmd/mica", "internal/cli"},
	{"attack", "internal/cli internal/cpu internal/atomicfile internal/tinymodel format/gguf format/safetensors tensor op pass model/lm store"},
	{".", "chat keep model/lm op pass store tokenizer"}, // the facade: imported by nobody inside
	{"internal/house", ""},
}

// unsafeRooms are the only ones that may import unsafe: files become tensors
// in one, and slices reach assembly in the others.
var unsafeRooms = []string{"tensor", "internal/kernel/", "internal/kerneltest"}

func TestImportsPointDown(t *testing.T) {
	at := map[string]int{}
	for i, r := range rooms {
		at[r.name] = i
	}
	seen := map[string]bool{}
	eachFile(t, func(dir, path string, imports []string) {
		i, ok := at[dir]
		if !ok {
			t.Errorf("%s: room %q isn't in the table of %s", path, dir, "internal/house/imports_test.go")
			return
		}
		seen[dir] = true
		for _, im := range imports {
			if im == "unsafe" && !slices.ContainsFunc(unsafeRooms, func(r string) bool { return strings.HasPrefix(dir, r) }) {
				t.Errorf("%s imports unsafe", path)
			}
			if im == module {
				t.Errorf("%s imports the facade", path)
			}
			to, inside := strings.CutPrefix(im, module+"/")
			if !inside {
				continue
			}
			if j, known := at[to]; !known || j >= i {
				t.Errorf("%s: %s may not import %s, which doesn't stand below it", path, dir, to)
			}
			if a := rooms[i].imports; a != "*" && !slices.Contains(strings.Fields(a), to) {
				t.Errorf("%s: the table doesn't let %s import %s", path, dir, to)
			}
		}
	})
	for _, r := range rooms {
		if !seen[r.name] {
			t.Errorf("room %q of the table doesn't exist", r.name)
		}
	}
}

// root is the folder of the module.
const root = "../.."

// eachFile calls f for every Go file that is not a test, with its folder
// below the root.
func eachFile(t *testing.T, f func(dir, path string, imports []string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, im := range file.Imports {
			s, _ := strconv.Unquote(im.Path.Value)
			imports = append(imports, s)
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		f(filepath.ToSlash(rel), path, imports)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesStayShort(t *testing.T) {
	var lengths []int
	eachFile(t, func(_, path string, _ []string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(b), "// Code generated") {
			return
		}
		n := strings.Count(string(b), "\n")
		if n > 1000 {
			t.Errorf("%s has %d lines", path, n)
		}
		lengths = append(lengths, n)
	})
	slices.Sort(lengths)
	if m := lengths[len(lengths)/2]; m > 200 {
		t.Errorf("the median file has %d lines", m)
	}
}

// Methods must stay readable beside their papers.
func TestMethodsStayShort(t *testing.T) {
	for _, path := range []string{"keep/gemfilter/gemfilter.go", "look/lens/lens.go"} {
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > 150 {
			t.Errorf("%s has %d lines, over 150", path, n)
		}
	}
}
