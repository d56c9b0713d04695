package recipe

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/internal/spell"
)

// field is what the tags of a field say.
type field struct {
	index  int
	name   string
	is     string
	lo, hi string // as they are written; "" for no bounds
	few    int    // elements of a list
	many   int
	in     []string
	or     string
	has    bool // a default
	kinds  []string
	need   bool
	path   bool
	method grammar
	typ    reflect.Type
}

// fieldsOf reads the tags of a struct.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		s := t.Field(i)
		name, ok := s.Tag.Lookup("json")
		if !ok {
			continue
		}
		f := field{index: i, name: name, is: s.Tag.Get("is"), typ: s.Type}
		f.in, f.kinds = words(s.Tag.Get("in")), words(s.Tag.Get("for"))
		f.or, f.has = s.Tag.Lookup("or")
		_, f.need = s.Tag.Lookup("need")
		_, f.path = s.Tag.Lookup("path")
		if r := strings.Fields(s.Tag.Get("range")); len(r) == 2 {
			f.lo, f.hi = r[0], r[1]
		}
		if n := strings.Fields(s.Tag.Get("items")); len(n) == 2 {
			f.few, _ = strconv.Atoi(n[0]) // numbers of this package's own
			f.many, _ = strconv.Atoi(n[1])
		}
		if m := s.Tag.Get("method"); m != "" {
			f.method = tables[m]
		}
		all = append(all, f)
	}
	return all
}

// words are those of a tag, nil if there are none.
func words(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Fields(tag)
}

// forKind says whether things of a kind have the field.
func (f *field) forKind(kind string) bool { return f.kinds == nil || slices.Contains(f.kinds, kind) }

// kindOf is the kind of a struct that has kinds, or "".
func kindOf(v reflect.Value) string {
	if k := v.FieldByName("Kind"); k.IsValid() {
		return k.String()
	}
	return ""
}

// nearest suggests the word that is most like what was written.
func nearest(word string, known []string) string {
	best, at := "", 1+len(word)/3
	for _, k := range known {
		if d := spell.Distance(strings.ToLower(word), k); d <= at {
			best, at = k, d-1
		}
	}
	if best == "" {
		return "known are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("did you mean %q?", best)
}
