package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/internal/strictjson"
)

// Limits on what a file may hold.
const (
	maxFile  = 1 << 20
	maxDepth = 8
	maxText  = 4096 // bytes of a string
	maxKey   = 64
)

// Error is what is wrong with a recipe.
type Error struct {
	File         string // "" if the recipe has none
	Line, Column int    // from 1; 0: what was set by hand, or missing
	Problem      string
}

func (e *Error) Error() string {
	s := e.File + ": "
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	}
	if e.File == "" {
		s = strings.TrimLeft(s, ": ")
	}
	return s + e.Problem
}

// Read reads a recipe from a file, and sets fields to other values:
// "network.layers=4", "loss=elr:lambda=3", "train.0.rate=0.5". Its paths are taken
// from the file's folder.
func Read(path string, set ...string) (*Recipe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	r, err := Parse(b, set...)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.File = path
		}
		return nil, err
	}
	r.dir = filepath.Dir(path)
	return r, nil
}

// Parse is [Read] of a file's bytes. Its paths are taken from the working directory.
// An error is an [*Error].
func Parse(b []byte, set ...string) (*Recipe, error) {
	if len(b) > maxFile {
		return nil, &Error{Problem: fmt.Sprintf("more than %d bytes", maxFile)}
	}
	r := &Recipe{}
	d := &decoder{r: strictjson.New(b, maxDepth), given: map[string]int{}}
	d.object(reflect.ValueOf(r).Elem(), "")
	d.r.End()
	if err := d.error(b); err != nil {
		return nil, err
	}
	for _, s := range set {
		if err := d.set(r, s); err != nil {
			return nil, err
		}
	}
	d.r = strictjson.New(nil, 0) // for errors alone
	d.settle(reflect.ValueOf(r).Elem(), "")
	if err := d.error(b); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, &Error{Problem: err.Error()}
	}
	return r, nil
}

// decoder reads a recipe.
type decoder struct {
	r     *strictjson.Reader
	given map[string]int // where each field that is given stands, by path; -1: set by hand
}

// error is the reader's error with its line and column.
func (d *decoder) error(b []byte) error {
	var e *strictjson.Error
	if !errors.As(d.r.Err(), &e) {
		return nil
	}
	if e.Offset < 0 {
		return &Error{Problem: e.Problem}
	}
	before := b[:min(int(e.Offset), len(b))]
	line := bytes.LastIndexByte(before, '\n')
	return &Error{Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - line, Problem: e.Problem}
}

// object reads an object into a struct.
func (d *decoder) object(v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	for at, key := range d.r.Object(maxKey) {
		name := string(key)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			d.r.Fail(at, "%sunknown field %q: %s", prefix(path), name, nearest(name, namesFor(fields, kindOf(v))))
			return
		}
		own := join(path, name)
		if _, twice := d.given[own]; twice {
			d.r.Fail(at, "%s is given twice", own)
			return
		}
		d.given[own] = at
		d.value(v.Field(fields[i].index), &fields[i], own)
	}
}

// namesFor are the names of the fields that a kind has, of all if none is known yet.
func namesFor(fields []field, kind string) []string {
	var names []string
	for _, f := range fields {
		if f.name[0] != '$' && (kind == "" || f.forKind(kind)) {
			names = append(names, f.name)
		}
	}
	return names
}

// value reads what a field holds.
func (d *decoder) value(v reflect.Value, f *field, path string) {
	at := d.r.Offset()
	switch v.Kind() {
	case reflect.Struct:
		d.object(v, path)
	case reflect.Slice:
		n := 0
		for i := range d.r.Array() {
			if n = i + 1; n > f.many {
				d.r.Fail(at, "%s: more than %d", path, f.many)
				return
			}
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			own := join(path, strconv.Itoa(i))
			d.given[own] = d.r.Offset()
			d.value(v.Index(i), f, own)
		}
		if n < f.few {
			d.r.Fail(at, "%s: fewer than %d", path, f.few)
		}
	case reflect.String:
		s := d.r.String(maxText)
		if err := f.text(s); err != nil {
			d.r.Fail(at, "%s: %v", path, err)
		}
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(d.r.Bool())
	default:
		if err := f.number(v, string(d.r.Number())); err != nil {
			d.r.Fail(at, "%s: %v", path, err)
		}
	}
}

// text checks a string.
func (f *field) text(s string) error {
	if f.in != nil && !slices.Contains(f.in, s) {
		return fmt.Errorf("%q: %s", s, nearest(s, f.in))
	}
	if f.method != nil {
		return f.method.check(s)
	}
	return nil
}

// number sets v to a number that is within the bounds.
func (f *field) number(v reflect.Value, s string) error {
	if s == "" {
		return nil // the reader has failed
	}
	var x float64
	switch v.Kind() {
	case reflect.Int:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not a whole number that fits", s)
		}
		v.SetInt(n)
		x = float64(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not a whole number from 0 to 2^64-1", s)
		}
		v.SetUint(n)
		return nil
	default:
		var err error
		if x, err = strconv.ParseFloat(s, 64); err != nil {
			return fmt.Errorf("%s is out of range", s)
		}
		v.SetFloat(x)
	}
	lo, _ := strconv.ParseFloat(f.lo, 64) // this package's own numbers
	hi, _ := strconv.ParseFloat(f.hi, 64)
	if !(x >= lo && x <= hi) {
		return fmt.Errorf("%s is not from %s to %s", s, f.lo, f.hi)
	}
	return nil
}

// set sets a field by hand: "path=value".
func (d *decoder) set(r *Recipe, s string) error {
	path, value, ok := strings.Cut(s, "=")
	fail := func(format string, args ...any) error {
		return &Error{Problem: fmt.Sprintf("set %s: %s", path, fmt.Sprintf(format, args...))}
	}
	if !ok {
		return fail("want key=value, such as steps=100 or network.layers=4")
	}
	v, f := reflect.ValueOf(r).Elem(), field{}
	at := ""
	for name := range strings.SplitSeq(path, ".") {
		switch v.Kind() {
		case reflect.Struct:
			fields := fieldsOf(v.Type())
			i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
			if i < 0 {
				return fail("%sunknown field %q: %s", prefix(at), name, nearest(name, namesFor(fields, kindOf(v))))
			}
			f, v = fields[i], v.Field(fields[i].index)
		case reflect.Slice:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= v.Len() {
				return fail("%s has %d elements, from 0; set all of it as JSON to have others", at, v.Len())
			}
			v = v.Index(i)
		default:
			return fail("%s has no parts", at)
		}
		at = join(at, name)
		d.given[at] = -1
	}
	if v.Kind() == reflect.String && !strings.HasPrefix(value, `"`) {
		quoted, err := json.Marshal(value)
		if err != nil {
			return fail("%v", err)
		}
		value = string(quoted)
	}
	for k := range d.given { // what was there is gone
		if strings.HasPrefix(k, at+".") {
			delete(d.given, k)
		}
	}
	v.SetZero()
	d.r = strictjson.New([]byte(value), maxDepth)
	d.value(v, &f, at)
	d.r.End()
	var e *strictjson.Error
	if errors.As(d.r.Err(), &e) {
		return fail("%s", strings.TrimPrefix(e.Problem, at+": "))
	}
	for k := range d.given {
		if strings.HasPrefix(k, at+".") {
			d.given[k] = -1
		}
	}
	return nil
}

// settle looks at what is missing or doesn't belong there, and fills in what was left
// out.
func (d *decoder) settle(v reflect.Value, path string) {
	kind := kindOf(v)
	fields := fieldsOf(v.Type())
	for i := range fields {
		f, own := &fields[i], join(path, fields[i].name)
		at, given := d.given[own]
		x := v.Field(f.index)
		switch {
		case given && !f.forKind(kind):
			d.r.Fail(at, "%s: %s %q has no such field: it is for %s", own, path, kind, strings.Join(f.kinds, ", "))
		case !given && f.need && f.forKind(kind) && (kind != "" || f.kinds == nil):
			at, ok := d.given[path]
			if !ok {
				at = -1
			}
			d.r.Fail(at, "%s is missing: %s", own, f.is)
		case !given && f.has && f.forKind(kind):
			d.fill(x, f)
		}
		switch x.Kind() {
		case reflect.Struct:
			d.settle(x, own)
		case reflect.Slice:
			if x.Type().Elem().Kind() == reflect.Struct {
				for j := range x.Len() {
					d.settle(x.Index(j), join(own, strconv.Itoa(j)))
				}
			}
		}
	}
}

// fill sets v to its default.
func (d *decoder) fill(v reflect.Value, f *field) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.or)
	case reflect.Bool:
		v.SetBool(f.or == "true")
	default:
		if err := f.number(v, f.or); err != nil {
			d.r.Fail(-1, "%s: the default: %v", f.name, err)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}
