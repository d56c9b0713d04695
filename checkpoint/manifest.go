package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/micaml/mica/internal/strictjson"
)

const (
	manifestName = "manifest.json"
	weightsName  = "weights"
	extension    = ".safetensors"

	format  = "mica checkpoint"
	version = 1

	maxManifest = 64 << 20 // bytes
	maxFiles    = 64
	maxName     = 64   // bytes of a part's name
	maxText     = 4096 // bytes of other strings
	maxDepth    = 64   // of the loop's state
)

// manifest says what a checkpoint consists of.
type manifest struct {
	mica, recipe string
	step         int
	files        []fileInfo
	loop         []byte // JSON
}

type fileInfo struct {
	name string // weights.safetensors, or a part's
	size int64
	sum  string // SHA-256 in hex
}

// The manifest's own hash stands at its end, in a text of fixed length: it is that
// of all bytes before.
const (
	sealHead = ",\n  \"sha256\": \""
	sealTail = "\"\n}\n"
	sealLen  = len(sealHead) + 2*sha256.Size + len(sealTail)
)

// seal ends a manifest with its hash.
func seal(body []byte) []byte {
	return append(body, sealHead+digest(body)+sealTail...)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// encode returns the bytes of the file. The same state gives the same bytes.
func (m *manifest) encode() []byte {
	var b bytes.Buffer
	text := func(s string) []byte {
		q, _ := json.Marshal(s) // of a string it can't fail
		return q
	}
	fmt.Fprintf(&b, "{\n  \"format\": %q,\n  \"version\": %d,\n  \"mica\": %s,\n  \"step\": %d,\n  \"recipe\": %s,\n  \"files\": [", format, version, text(m.mica), m.step, text(m.recipe))
	for i, f := range m.files {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    {\"name\": %s, \"bytes\": %d, \"sha256\": %q}", text(f.name), f.size, f.sum)
	}
	fmt.Fprintf(&b, "\n  ],\n  \"loop\": %s", m.loop)
	return seal(b.Bytes())
}

// parseManifest reads and checks the bytes of a manifest. What it allocates is in
// proportion to them.
func parseManifest(b []byte) (*manifest, error) {
	if len(b) < sealLen {
		return nil, fmt.Errorf("%d bytes are no manifest", len(b))
	}
	body, end := b[:len(b)-sealLen], string(b[len(b)-sealLen:])
	sum := strings.TrimSuffix(strings.TrimPrefix(end, sealHead), sealTail)
	if len(sum) != 2*sha256.Size {
		return nil, errors.New("does not end with its SHA-256: it was cut short or written by another program")
	}
	if have := digest(body); have != sum {
		return nil, fmt.Errorf("SHA-256 is %.12s..., it should be %.12q...: it was changed", have, sum)
	}
	p := parser{r: strictjson.New(b, maxDepth+1), b: b, m: &manifest{}}
	p.fields(maxText, map[string]func(){
		"format":  p.format,
		"version": p.version,
		"mica":    func() { p.m.mica = p.r.String(maxText) },
		"step":    func() { p.m.step = int(p.upTo(maxStep)) },
		"recipe":  func() { p.m.recipe = p.r.String(maxText) },
		"files":   p.files,
		"loop":    p.loop,
		"sha256":  func() { p.r.Skip() },
	})
	p.r.End()
	if err := p.r.Err(); err != nil {
		return nil, err
	}
	return p.m, nil
}

type parser struct {
	r *strictjson.Reader
	b []byte
	m *manifest
}

// fields reads an object that has each of the fields once and no other.
func (p *parser) fields(limit int, read map[string]func()) {
	at := p.r.Offset()
	seen := map[string]bool{}
	for at, key := range p.r.Object(limit) {
		name := string(key)
		f, ok := read[name]
		switch {
		case !ok:
			p.r.Fail(at, "unknown field %q", name)
		case seen[name]:
			p.r.Fail(at, "field %q is there twice", name)
		default:
			seen[name] = true
			f()
		}
		if p.r.Err() != nil {
			return
		}
	}
	for _, name := range []string{"format", "version", "mica", "step", "recipe", "files", "name", "bytes", "sha256", "loop"} {
		if read[name] != nil && !seen[name] {
			p.r.Fail(at, "field %q is missing", name)
		}
	}
}

func (p *parser) format() {
	at := p.r.Offset()
	if have := p.r.String(maxText); have != format {
		p.r.Fail(at, "format %.40q, want %q", have, format)
	}
}

func (p *parser) upTo(limit uint64) uint64 {
	at := p.r.Offset()
	n := p.r.Uint()
	if n > limit {
		p.r.Fail(at, "%d is beyond %d", n, limit)
		return 0
	}
	return n
}

func (p *parser) version() {
	at := p.r.Offset()
	if v := p.r.Uint(); v != version && p.r.Err() == nil {
		p.r.Fail(at, "format version %d: this mica reads version %d: use the one that made it", v, version)
	}
}

func (p *parser) files() {
	seen := map[string]bool{}
	for i := range p.r.Array() {
		at := p.r.Offset()
		var f fileInfo
		p.fields(maxText, map[string]func(){
			"name":   func() { f.name = p.r.String(maxText) },
			"bytes":  func() { f.size = int64(p.upTo(math.MaxInt64)) },
			"sha256": func() { f.sum = p.r.String(maxText) },
		})
		part, ok := strings.CutSuffix(f.name, extension)
		switch _, err := hex.DecodeString(f.sum); {
		case p.r.Err() != nil:
			return
		case !ok || !plainName(part):
			p.r.Fail(at, "file name %.80q: want letters, digits, '-' and '_', and %s", f.name, extension)
		case seen[f.name]:
			p.r.Fail(at, "file %q is there twice", f.name)
		case i == maxFiles:
			p.r.Fail(at, "more than %d files", maxFiles)
		case err != nil || len(f.sum) != 2*sha256.Size:
			p.r.Fail(at, "file %q: sha256 %.80q is not one", f.name, f.sum)
		}
		if p.r.Err() != nil {
			return
		}
		seen[f.name] = true
		p.m.files = append(p.m.files, f)
	}
	if !seen[weightsName+extension] {
		p.r.Fail(p.r.Offset(), "there is no file %s", weightsName+extension)
	}
}

func (p *parser) loop() {
	from := p.r.Offset()
	p.r.Skip()
	if p.r.Err() == nil {
		p.m.loop = bytes.TrimSpace(p.b[from:p.r.Offset()])
	}
}

// plainName reports whether s can be the name of a part, and so of a file anywhere.
func plainName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
