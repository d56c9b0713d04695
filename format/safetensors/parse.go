package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"

	"github.com/micaml/mica/internal/strictjson"
)

// What a file may hold. The limit of the header is the reference library's; the
// others are far above any real model and low enough that what Parse allocates
// stays in proportion to the file.
const (
	maxHeader  = 100_000_000
	maxTensors = 1 << 20
	maxKeys    = 1 << 16 // of the metadata
	maxName    = 256     // bytes of a tensor's name or a metadata key
	maxString  = 1 << 20 // bytes of a metadata value
	maxDims    = 8
	maxDepth   = 8

	lengthBytes = 8 // the length of the header stands before it
	metadataKey = "__metadata__"
	minRecord   = len(`"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},`)
)

// Parse reads and checks the header of a file whose bytes are b. The error is a
// [*FormatError]. The tensors must fill the file to its last byte, without holes
// and without overlaps; in which order the header names them doesn't matter.
//
// In memory the result is at most four times the size of the header and 16 MiB,
// whatever the file claims.
func Parse(b []byte) (*File, error) {
	header, err := headerOf(b)
	if err != nil {
		return nil, err
	}
	p := &parser{r: strictjson.New(header, maxDepth), where: "header"}
	n := countTensors(header)
	p.f = &File{Tensors: make([]Tensor, 0, n), byName: make(map[string]int, n)}
	p.at = make([]int32, 0, n)
	p.header()
	if err := p.err(lengthBytes); err != nil {
		return nil, err
	}
	base := int64(lengthBytes + len(header))
	if err := p.place(base, int64(len(b))-base); err != nil {
		return nil, err
	}
	return p.f, nil
}

// headerOf returns the bytes of the header.
func headerOf(b []byte) ([]byte, error) {
	fail := func(at int64, format string, args ...any) ([]byte, error) {
		return nil, &FormatError{Offset: at, Where: "header", Problem: fmt.Sprintf(format, args...)}
	}
	if len(b) < lengthBytes {
		return fail(0, "length takes %d bytes, the file has %d", lengthBytes, len(b))
	}
	n, left := binary.LittleEndian.Uint64(b), uint64(len(b)-lengthBytes)
	switch {
	case n > maxHeader:
		return fail(0, "length %d exceeds the limit of %d", n, maxHeader)
	case n > left:
		return fail(0, "length %d, the file has %d more bytes", n, left)
	case n == 0 || b[lengthBytes] != '{':
		return fail(lengthBytes, "does not begin with '{'")
	}
	return b[lengthBytes:][:n:n], nil
}

// countTensors counts the entries of the header, so that what Parse allocates is
// allocated once. What is wrong with the header is for Parse to find: the count is
// bounded by what the bytes could hold if all were right.
func countTensors(header []byte) int {
	n := 0
	r := strictjson.New(header, maxDepth)
	for range r.Object(maxName) {
		r.Skip()
		n++
	}
	return min(n, maxTensors, len(header)/minRecord)
}

// parser reads the header into f.
type parser struct {
	r     *strictjson.Reader
	f     *File
	at    []int32 // where in the header each of f.Tensors stands
	where string  // what is being read, and its name and field if they are known: for errors
	name  string
	field string
}

// err returns the reader's error, base being the place of its text in the file.
func (p *parser) err(base int64) error {
	var e *strictjson.Error
	if !errors.As(p.r.Err(), &e) {
		return nil
	}
	where, problem := p.where, e.Problem
	if p.name != "" {
		where = fmt.Sprintf("%s %q", p.where, p.name)
	}
	if p.field != "" {
		problem = p.field + ": " + problem
	}
	return &FormatError{Offset: base + e.Offset, Where: where, Problem: problem}
}

func (p *parser) header() {
	for at, key := range p.r.Object(maxName) {
		if string(key) == metadataKey {
			p.metadata(at)
		} else {
			p.tensor(at, string(key))
		}
		if p.r.Err() != nil {
			return
		}
		p.where, p.name, p.field = "header", "", ""
	}
	p.r.End()
}

func (p *parser) metadata(at int) {
	p.where = "metadata"
	if p.f.Metadata != nil {
		p.r.Fail(at, "duplicate key %q", metadataKey)
	}
	p.f.Metadata = map[string]string{}
	for at, key := range p.r.Object(maxName) {
		p.name = string(key)
		if _, ok := p.f.Metadata[p.name]; ok {
			p.r.Fail(at, "duplicate key")
		}
		if len(p.f.Metadata) == maxKeys {
			p.r.Fail(at, "more than %d keys", maxKeys)
		}
		p.f.Metadata[p.name] = p.r.String(maxString)
		if p.r.Err() != nil {
			return
		}
		p.name = ""
	}
}

// tensor reads the entry of a tensor whose name stands at byte at. Its Offset
// still counts from the start of the data section.
func (p *parser) tensor(at int, name string) {
	p.where, p.name = "tensor", name
	_, duplicate := p.f.byName[name]
	switch {
	case name == "":
		p.r.Fail(at, "a tensor's name is empty")
		p.where = "header"
	case duplicate:
		p.r.Fail(at, "duplicate name")
	case len(p.f.Tensors) == maxTensors:
		p.r.Fail(at, "more than %d tensors", maxTensors)
	}
	t := Tensor{Name: name}
	var hasType, hasShape, hasOffsets bool
	var begin, end uint64
	once := func(at int, has *bool) {
		if *has {
			p.r.Fail(at, "duplicate field")
		}
		*has = true
	}
	for at, key := range p.r.Object(maxName) {
		switch string(key) {
		case "dtype":
			p.field = "dtype"
			once(at, &hasType)
			t.Type = p.dtype()
		case "shape":
			p.field = "shape"
			once(at, &hasShape)
			t.Shape = p.shape()
		case "data_offsets":
			p.field = "data_offsets"
			once(at, &hasOffsets)
			begin, end = p.offsets()
		default:
			p.r.Fail(at, "unknown field %q", key)
		}
		if p.r.Err() != nil {
			return
		}
		p.field = ""
	}
	switch {
	case !hasType:
		p.r.Fail(at, "dtype is missing")
	case !hasShape:
		p.r.Fail(at, "shape is missing")
	case !hasOffsets:
		p.r.Fail(at, "data_offsets is missing")
	}
	size, problem := t.Type.size(t.Shape)
	if problem != "" {
		p.r.Fail(at, "%s", problem)
	}
	if have := end - begin; have != uint64(size) {
		p.r.Fail(at, "data_offsets [%d, %d] hold %d bytes, %v of shape %d takes %d", begin, end, have, t.Type, t.Shape, size)
	}
	t.Offset, t.Size = int64(begin), size
	p.f.byName[name] = len(p.f.Tensors)
	p.f.Tensors = append(p.f.Tensors, t)
	p.at = append(p.at, int32(at))
}

func (p *parser) dtype() Type {
	at := p.r.Offset()
	name := p.r.Text(maxName)
	t, ok := typeByName[string(name)]
	if !ok {
		p.r.Fail(at, "type %q is unknown", name)
	}
	return t
}

func (p *parser) shape() []uint64 {
	var dims [maxDims]uint64
	n := 0
	for i := range p.r.Array() {
		if at := p.r.Offset(); i == maxDims {
			p.r.Fail(at, "more than %d dimensions", maxDims)
			return nil
		}
		dims[i] = p.r.Uint()
		n++
	}
	shape := make([]uint64, n) // not nil for a scalar
	copy(shape, dims[:])
	return shape
}

func (p *parser) offsets() (begin, end uint64) {
	at := p.r.Offset()
	var both [2]uint64
	n := 0
	for i := range p.r.Array() {
		if i == len(both) {
			p.r.Fail(at, "more than 2 numbers")
			break
		}
		both[i] = p.r.Uint()
		n++
	}
	begin, end = both[0], both[1]
	switch {
	case n < len(both):
		p.r.Fail(at, "%d numbers, want 2", n)
	case begin > end:
		p.r.Fail(at, "begin %d lies beyond end %d", begin, end)
	case end > math.MaxInt64:
		p.r.Fail(at, "end %d overflows", end)
	}
	return begin, end
}

// place sorts the tensors, checks that they fill the data section of room bytes,
// and turns their offsets into places in the file, where that begins at base.
func (p *parser) place(base, room int64) error {
	sort.Sort(byOffset{p.f.Tensors, p.at})
	next := int64(0) // where the next tensor must begin, relative to base
	for i := range p.f.Tensors {
		t := &p.f.Tensors[i]
		problem := ""
		switch {
		case t.Offset > room || t.Size > room-t.Offset:
			problem = fmt.Sprintf("ends beyond the file (data section of %d bytes)", room)
		case t.Offset < next:
			problem = fmt.Sprintf("overlaps the tensor before, which ends at %d", next)
		case t.Offset > next:
			problem = fmt.Sprintf("leaves a hole, the tensor before ends at %d", next)
		}
		if problem != "" {
			return &FormatError{
				Offset: lengthBytes + int64(p.at[i]), Where: fmt.Sprintf("tensor %q", t.Name),
				Problem: fmt.Sprintf("data of %d bytes at offset %d %s", t.Size, t.Offset, problem),
			}
		}
		next = t.Offset + t.Size
		t.Offset += base
		p.f.byName[t.Name] = i
	}
	if next != room {
		return &FormatError{Offset: base + next, Where: "header", Problem: fmt.Sprintf("the tensors end at %d, the data section has %d bytes", next, room)}
	}
	return nil
}

// byOffset sorts tensors as they lie in the file. One without elements lies
// before the one that begins where it does.
type byOffset struct {
	tensors []Tensor
	at      []int32
}

func (s byOffset) Len() int { return len(s.tensors) }

func (s byOffset) Less(i, j int) bool {
	x, y := &s.tensors[i], &s.tensors[j]
	return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(x.Size, y.Size), cmp.Compare(x.Name, y.Name)) < 0
}

func (s byOffset) Swap(i, j int) {
	s.tensors[i], s.tensors[j] = s.tensors[j], s.tensors[i]
	s.at[i], s.at[j] = s.at[j], s.at[i]
}
