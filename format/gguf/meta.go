package gguf

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"unicode/utf8"
)

// ErrNoKey is wrapped by the getters' error when the key is absent.
var ErrNoKey = errors.New("missing")

// Meta is the metadata of a file: keys in file order, each with a typed value.
// The zero value is empty and ready to use. The getters accept every width of
// the kind they ask for, since writers differ; their errors name the key.
type Meta struct {
	keys   []string
	values map[string]any // uint8 ... float64, bool, string, or a slice of one of these
}

// Keys returns the keys in file order.
func (m *Meta) Keys() []string { return slices.Clone(m.keys) }

// All yields the keys in file order with their values: a Go number, bool or
// string of the stored width, or a slice of these.
func (m *Meta) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, k := range m.keys {
			if !yield(k, m.values[k]) {
				return
			}
		}
	}
}

// Has reports whether the key is there.
func (m *Meta) Has(key string) bool { _, ok := m.values[key]; return ok }

// Set stores v under key, for [Encode]: any fixed-width integer or float, bool,
// string, or a slice of one of these. A new key goes last.
func (m *Meta) Set(key string, v any) error {
	if key == "" || len(key) > maxName || !utf8.ValidString(key) {
		return fmt.Errorf("gguf: key %q: want 1 to %d bytes of UTF-8", key, maxName)
	}
	if _, _, ok := kindOf(v); !ok {
		return keyError(key, "a %T cannot be stored", v)
	}
	switch v := v.(type) {
	case string:
		if len(v) > maxString || !utf8.ValidString(v) {
			return keyError(key, "value is not UTF-8 of at most %d bytes", maxString)
		}
	case []string:
		for i, s := range v {
			if len(s) > maxString {
				return keyError(key, "element %d exceeds %d bytes", i, maxString)
			}
		}
	}
	if !m.Has(key) && len(m.keys) == maxKeys {
		return keyError(key, "exceeds the limit of %d keys", maxKeys)
	}
	m.set(key, v)
	return nil
}

// grow makes room for n keys.
func (m *Meta) grow(n int) {
	m.keys = make([]string, 0, n)
	m.values = make(map[string]any, n)
}

func (m *Meta) set(key string, v any) {
	if m.values == nil {
		m.values = make(map[string]any)
	}
	if !m.Has(key) {
		m.keys = append(m.keys, key)
	}
	m.values[key] = v
}

// Int returns an integer of any width; one above the range of int64 is an error.
func (m *Meta) Int(key string) (int64, error) { return scalar(m, key, "an integer", toInt) }

// Uint returns an integer of any width; a negative one is an error.
func (m *Meta) Uint(key string) (uint64, error) { return scalar(m, key, "an integer", toUint) }

// Float returns a float or integer of any width.
func (m *Meta) Float(key string) (float64, error) { return scalar(m, key, "a number", toFloat) }

// Bool returns a bool.
func (m *Meta) Bool(key string) (bool, error) { return as[bool](m, key, "a bool") }

// String returns a string, which is valid UTF-8.
func (m *Meta) String(key string) (string, error) { return as[string](m, key, "a string") }

// Strings returns an array of strings. They may hold any bytes. The slice is
// shared and must not be changed.
func (m *Meta) Strings(key string) ([]string, error) {
	return as[[]string](m, key, "an array of strings")
}

// Ints returns an array of integers of any width.
func (m *Meta) Ints(key string) ([]int64, error) {
	return array(m, key, "an array of integers", toInt)
}

// Floats returns an array of floats or integers of any width.
func (m *Meta) Floats(key string) ([]float64, error) {
	return array(m, key, "an array of numbers", toFloat)
}

// alignment returns the alignment of tensor data that the metadata asks for.
func (m *Meta) alignment() (uint64, error) {
	v, ok := m.values[alignmentKey]
	if !ok {
		return defaultAlignment, nil
	}
	a, problem := alignmentOf(v)
	if problem != "" {
		return 0, keyError(alignmentKey, "%s", problem)
	}
	return a, nil
}

// alignmentOf returns the value of general.alignment, or what is wrong with it.
func alignmentOf(v any) (uint64, string) {
	a, ok := v.(uint32) // the format allows no other type
	if !ok {
		return 0, fmt.Sprintf("is %s, want a uint32", describe(v))
	}
	if a < minAlignment || a > maxAlignment || a&(a-1) != 0 {
		return 0, fmt.Sprintf("%d is not a power of two from %d to %d", a, minAlignment, maxAlignment)
	}
	return uint64(a), ""
}

func (m *Meta) get(key string) (any, error) {
	v, ok := m.values[key]
	if !ok {
		return nil, fmt.Errorf("gguf: key %q: %w", key, ErrNoKey)
	}
	return v, nil
}

// as returns a value that must be stored as a T.
func as[T any](m *Meta, key, want string) (T, error) {
	v, err := m.get(key)
	t, ok := v.(T)
	if err == nil && !ok {
		err = typeError(key, v, want)
	}
	return t, err
}

// scalar returns a number converted by to.
func scalar[T any](m *Meta, key, want string, to func(reflect.Value) (T, error)) (T, error) {
	var zero T
	v, err := m.get(key)
	if err != nil {
		return zero, err
	}
	n, err := to(reflect.ValueOf(v))
	switch {
	case err == errType:
		return zero, typeError(key, v, want)
	case err != nil:
		return zero, keyError(key, "%v", err)
	}
	return n, nil
}

// array returns a copy of an array with every element converted by to.
func array[T any](m *Meta, key, want string, to func(reflect.Value) (T, error)) ([]T, error) {
	v, err := m.get(key)
	if err != nil {
		return nil, err
	}
	from := reflect.ValueOf(v)
	if from.Kind() != reflect.Slice {
		return nil, typeError(key, v, want)
	}
	// An empty array has no element that would show a wrong type.
	if _, err := to(reflect.Zero(from.Type().Elem())); err != nil {
		return nil, typeError(key, v, want)
	}
	out := make([]T, from.Len())
	for i := range out {
		if out[i], err = to(from.Index(i)); err != nil {
			return nil, keyError(key, "element %d: %v", i, err)
		}
	}
	return out, nil
}

// errType is what the conversions return for a value that is no number.
var errType = errors.New("not a number of the right kind")

func toInt(v reflect.Value) (int64, error) {
	switch {
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint() && v.Uint() > math.MaxInt64:
		return 0, fmt.Errorf("%d overflows", v.Uint())
	case v.CanUint():
		return int64(v.Uint()), nil
	}
	return 0, errType
}

func toUint(v reflect.Value) (uint64, error) {
	switch {
	case v.CanUint():
		return v.Uint(), nil
	case v.CanInt() && v.Int() < 0:
		return 0, fmt.Errorf("%d is negative", v.Int())
	case v.CanInt():
		return uint64(v.Int()), nil
	}
	return 0, errType
}

func toFloat(v reflect.Value) (float64, error) {
	switch {
	case v.CanFloat():
		return v.Float(), nil
	case v.CanInt():
		return float64(v.Int()), nil
	case v.CanUint():
		return float64(v.Uint()), nil
	}
	return 0, errType
}

func keyError(key, format string, args ...any) error {
	return fmt.Errorf("gguf: key %q: %s", key, fmt.Sprintf(format, args...))
}

func typeError(key string, v any, want string) error {
	return keyError(key, "is %s, want %s", describe(v), want)
}
