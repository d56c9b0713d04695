package recipe

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Schema returns the JSON Schema (draft 2020-12) of recipes, which schema.json holds
// too: what [Parse] accepts but for comparisons between fields.
func Schema() []byte {
	s := schemaOf(reflect.TypeFor[Recipe]())
	top := append(object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "mica training recipe"}}, s...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(top); err != nil {
		panic(err) // of this package's own words
	}
	return b.Bytes()
}

// object is a JSON object whose keys keep their order.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(m.key) + ":")
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// schemaOf is the schema of a struct: of one with kinds, that of one of them.
func schemaOf(t reflect.Type) object {
	fields := fieldsOf(t)
	for _, f := range fields {
		if f.name == "kind" {
			var each []object
			for _, kind := range f.in {
				each = append(each, schemaFor(fields, kind))
			}
			return object{{"oneOf", each}}
		}
	}
	return schemaFor(fields, "")
}

func schemaFor(fields []field, kind string) object {
	var properties object
	var required []string
	for i := range fields {
		f := &fields[i]
		if !f.forKind(kind) {
			continue
		}
		s := object{{"description", f.is}}
		if f.name == "kind" {
			s = append(s, member{"const", kind})
		} else {
			s = append(s, f.schema(f.typ)...)
		}
		if f.has && f.method == nil {
			s = append(s, member{"default", json.RawMessage(literal(f))})
		} else if f.has {
			s = append(s, member{"default", f.or})
		}
		properties = append(properties, member{f.name, s})
		if f.need {
			required = append(required, f.name)
		}
	}
	s := object{{"type", "object"}, {"properties", properties}}
	if required != nil {
		s = append(s, member{"required", required})
	}
	return append(s, member{"additionalProperties", false})
}

// literal is a default as JSON.
func literal(f *field) string {
	if f.typ.Kind() == reflect.String {
		return strconv.Quote(f.or)
	}
	return f.or
}

// schema is the schema of a field's value, or of an element's.
func (f *field) schema(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Struct:
		return schemaOf(t)
	case reflect.Slice:
		return object{{"type", "array"}, {"minItems", f.few}, {"maxItems", f.many}, {"items", f.schema(t.Elem())}}
	case reflect.String:
		s := object{{"type", "string"}}
		switch {
		case f.in != nil:
			return object{{"enum", f.in}}
		case f.method != nil && !f.method.free():
			return append(s, member{"pattern", "^((" + strings.Join(f.method.names(), "|") + ")(:.*)?)?$"}, member{"$comment", strings.Join(f.method.usages(), "; ")})
		case f.method != nil:
			return append(s, member{"$comment", strings.Join(f.method.usages(), "; ")})
		}
		return append(s, member{"maxLength", maxText})
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Float64:
		return object{{"type", "number"}, {"minimum", json.Number(f.lo)}, {"maximum", json.Number(f.hi)}}
	case reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 0}, {"maximum", json.Number("18446744073709551615")}}
	}
	return object{{"type", "integer"}, {"minimum", json.Number(f.lo)}, {"maximum", json.Number(f.hi)}}
}
