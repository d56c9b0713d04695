package recipe

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write schema.json")

// The published schema is what the reader goes by.
func TestSchemaIsPublished(t *testing.T) {
	want := Schema()
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("schema.json isn't of this struct: go test ./recipe -run Schema -update")
	}
	if !json.Valid(have) {
		t.Error("schema.json is no JSON")
	}
}

// Every field says what it is and has bounds, and every default is within them.
func TestTagsAreWhole(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Recipe](), reflect.TypeFor[Network](), reflect.TypeFor[Block](), reflect.TypeFor[Data](), reflect.TypeFor[Group](), reflect.TypeFor[Evaluate](), reflect.TypeFor[Save]()} {
		for _, f := range fieldsOf(typ) {
			if f.is == "" {
				t.Errorf("%v: %s: nothing says what it is", typ, f.name)
			}
			element := f.typ
			if f.typ.Kind() == reflect.Slice {
				element = f.typ.Elem()
				if f.many == 0 {
					t.Errorf("%v: %s: a list without an end", typ, f.name)
				}
			}
			number := element.Kind() == reflect.Int || element.Kind() == reflect.Float64
			if number && (f.lo == "" || f.hi == "") {
				t.Errorf("%v: %s: a number without bounds", typ, f.name)
			}
			if typ.Field(f.index).Tag.Get("method") != "" && f.method == nil {
				t.Errorf("%v: %s: no such table", typ, f.name)
			}
			if !f.has {
				continue
			}
			if v := reflect.New(element).Elem(); number {
				if err := f.number(v, f.or); err != nil && f.or != "0" {
					t.Errorf("%v: %s: default: %v", typ, f.name, err)
				}
			} else if element.Kind() == reflect.String {
				if err := f.text(f.or); err != nil {
					t.Errorf("%v: %s: default: %v", typ, f.name, err)
				}
			}
		}
	}
}
