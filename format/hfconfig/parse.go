package hfconfig

import (
	"errors"
	"fmt"
	"strings"

	"github.com/micaml/mica/internal/strictjson"
)

// What a file may hold; published ones have a few thousand bytes.
const (
	maxSize   = 1 << 20
	maxDepth  = 8
	maxKey    = 256     // bytes
	maxValues = 1 << 16 // of all objects and arrays together
)

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset  int64  // byte offset of what is at fault
	Key     string // the dotted key that was being read, "" outside any
	Problem string
}

func (e *FormatError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("hfconfig: %s (at byte %d)", e.Problem, e.Offset)
	}
	return fmt.Sprintf("hfconfig: key %q: %s (at byte %d)", e.Key, e.Problem, e.Offset)
}

// Parse reads a file whose bytes are b: one JSON object. The error is a
// [*FormatError]. It allocates at most four times the size of the file and 16 MiB.
func Parse(b []byte) (*Config, error) {
	if len(b) > maxSize {
		return nil, &FormatError{Problem: fmt.Sprintf("%d bytes exceed the limit of %d", len(b), maxSize)}
	}
	p := &parser{r: strictjson.New(b, maxDepth)}
	c := &Config{values: p.object()}
	p.r.End()
	var e *strictjson.Error
	if errors.As(p.r.Err(), &e) {
		return nil, &FormatError{Offset: e.Offset, Key: strings.Join(p.path, "."), Problem: e.Problem}
	}
	return c, nil
}

type parser struct {
	r    *strictjson.Reader
	path []string // keys from the outermost object to the value that is being read
	n    int      // values so far
}

// number is a number as it is written.
type number string

// value reads a value: a map[string]any, []any, string, number, bool, or nil.
func (p *parser) value() any {
	if p.n++; p.n > maxValues {
		p.r.Fail(p.r.Offset(), "more than %d values", maxValues)
		return nil
	}
	switch p.r.Kind() {
	case strictjson.Object:
		return p.object()
	case strictjson.Array:
		list := []any{}
		for range p.r.Array() {
			list = append(list, p.value())
		}
		return list
	case strictjson.String:
		return p.r.String(maxSize)
	case strictjson.Number:
		return number(p.r.Number())
	case strictjson.Bool:
		return p.r.Bool()
	case strictjson.Null:
		p.r.Null()
	default:
		p.r.Skip() // tells what is wrong
	}
	return nil
}

func (p *parser) object() map[string]any {
	m := map[string]any{}
	for at, key := range p.r.Object(maxKey) {
		name := string(key)
		p.path = append(p.path, name)
		if _, ok := m[name]; ok {
			p.r.Fail(at, "duplicate key")
		}
		m[name] = p.value()
		if p.r.Err() != nil {
			break // the path leads to the error
		}
		p.path = p.path[:len(p.path)-1]
	}
	return m
}
