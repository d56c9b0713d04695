package safetensors

import (
	"fmt"
	"slices"
	"strings"

	"github.com/micaml/mica/internal/strictjson"
)

// Index tells in which file each tensor of a model in several files lies: the
// content of model.safetensors.index.json.
type Index struct {
	files []string
	names []string       // of the tensors, in the order of the index
	file  map[string]int // index of files, by the tensor's name
}

const (
	maxIndex = maxHeader
	maxFiles = 1 << 12
	maxTop   = 64 // keys beside weight_map
	minEntry = len(`"a":"b.safetensors",`)
)

// Files returns the names of the files, sorted. Each is a plain name that is safe
// to join to a folder on every operating system, and no two differ by case alone.
func (x *Index) Files() []string { return slices.Sorted(slices.Values(x.files)) }

// Tensors returns the names of the tensors in the order of the index.
func (x *Index) Tensors() []string { return slices.Clone(x.names) }

// File returns the name of the file that holds a tensor.
func (x *Index) File(tensor string) (string, bool) {
	i, ok := x.file[tensor]
	if !ok {
		return "", false
	}
	return x.files[i], true
}

// ParseIndex reads and checks an index. The error is a [*FormatError]. A file's
// name that has a path in it, or is none of a safetensors file, is an error. Fields
// beside weight_map, such as metadata, are ignored.
func ParseIndex(b []byte) (*Index, error) {
	if len(b) > maxIndex {
		return nil, &FormatError{Where: "index", Problem: fmt.Sprintf("%d bytes exceed the limit of %d", len(b), maxIndex)}
	}
	n := countEntries(b)
	p := &indexParser{
		parser: parser{r: strictjson.New(b, maxDepth), where: "index"},
		x:      &Index{names: make([]string, 0, n), file: make(map[string]int, n)},
		known:  map[string]int{}, folded: map[string]string{},
	}
	at := p.r.Offset()
	seen := map[string]bool{}
	for at, key := range p.r.Object(maxName) {
		name := string(key)
		if seen[name] {
			p.r.Fail(at, "duplicate key %q", name)
		} else if len(seen) == maxTop {
			p.r.Fail(at, "more than %d keys", maxTop)
		}
		seen[name] = true
		if name == "weight_map" {
			p.weightMap()
		} else {
			p.r.Skip()
		}
	}
	p.r.End()
	if len(p.x.names) == 0 {
		p.r.Fail(at, "weight_map is missing or empty")
	}
	if err := p.err(0); err != nil {
		return nil, err
	}
	return p.x, nil
}

// countEntries counts the tensors, as countTensors does.
func countEntries(b []byte) int {
	n := 0
	r := strictjson.New(b, maxDepth)
	for _, key := range r.Object(maxName) {
		if string(key) != "weight_map" {
			r.Skip()
			continue
		}
		for range r.Object(maxName) {
			r.Skip()
			n++
		}
	}
	return min(n, maxTensors, len(b)/minEntry)
}

type indexParser struct {
	parser
	x      *Index
	known  map[string]int    // place in x.files by name
	folded map[string]string // name by its lower-case form
}

func (p *indexParser) weightMap() {
	for at, key := range p.r.Object(maxName) {
		name := string(key)
		_, duplicate := p.x.file[name]
		p.where, p.name = "tensor", name
		switch {
		case name == "":
			p.r.Fail(at, "a tensor's name is empty")
			p.where = "index"
		case duplicate:
			p.r.Fail(at, "duplicate name")
		case len(p.x.names) == maxTensors:
			p.r.Fail(at, "more than %d tensors", maxTensors)
		}
		i := p.file()
		if p.r.Err() != nil {
			return
		}
		p.where, p.name = "index", ""
		p.x.names = append(p.x.names, name)
		p.x.file[name] = i
	}
}

// file reads a file's name and returns its place in x.files.
func (p *indexParser) file() int {
	at := p.r.Offset()
	text := p.r.Text(maxName)
	if i, ok := p.known[string(text)]; ok {
		return i
	}
	name := string(text)
	if problem := fileProblem(name); problem != "" {
		p.r.Fail(at, "file name %q %s", name, problem)
		return 0
	}
	fold := strings.ToLower(name)
	if other, ok := p.folded[fold]; ok {
		p.r.Fail(at, "file name %q differs from %q by case alone", name, other)
	}
	if len(p.x.files) == maxFiles {
		p.r.Fail(at, "more than %d files", maxFiles)
	}
	i := len(p.x.files)
	p.x.files = append(p.x.files, name)
	p.known[name], p.folded[fold] = i, name
	return i
}

// fileProblem returns what is wrong with a file's name, "" for a plain name of a
// safetensors file. The rules are the same on every operating system.
func fileProblem(name string) string {
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_':
		case (c == '-' || c == '.') && i > 0:
		default:
			return "is not a plain name of letters, digits, '-', '_' and '.'"
		}
	}
	stem, ok := strings.CutSuffix(name, ".safetensors")
	if !ok || stem == "" {
		return "does not end in .safetensors"
	}
	// Windows takes a device's name for the device, whatever follows the dot.
	device, _, _ := strings.Cut(strings.ToUpper(stem), ".")
	if slices.Contains(devices, device) {
		return "is a device on Windows"
	}
	return ""
}

var devices = strings.Fields("CON PRN AUX NUL COM0 COM1 COM2 COM3 COM4 COM5 COM6 COM7 COM8 COM9 LPT0 LPT1 LPT2 LPT3 LPT4 LPT5 LPT6 LPT7 LPT8 LPT9")
