package hfconfig

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ErrNoKey is wrapped by the getters' error when the key is absent.
var ErrNoKey = errors.New("missing")

// Config is the content of a file. A key leads into nested objects by dots:
// "rope_scaling.factor"; one that has a dot itself is out of reach. A key that is
// null is absent, which is how transformers writes what isn't set. The getters'
// errors name the key.
type Config struct {
	values map[string]any // map[string]any, []any, string, number, bool or nil
}

// Has reports whether the key is there and not null.
func (c *Config) Has(key string) bool { return c.find(key) != nil }

// Empty reports whether the key says nothing: it is absent, null or false, or a text,
// an array or an object with nothing in it.
func (c *Config) Empty(key string) bool {
	switch v := c.find(key).(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// Keys returns the keys of the object that key leads to, sorted; "" is the
// outermost. There are none if it is no object.
func (c *Config) Keys(key string) []string {
	m := c.values
	if key != "" {
		m, _ = c.find(key).(map[string]any)
	}
	return slices.Sorted(maps.Keys(m))
}

// String returns a string.
func (c *Config) String(key string) (string, error) { return as[string](c, key, "a string") }

// Bool returns a bool.
func (c *Config) Bool(key string) (bool, error) { return as[bool](c, key, "a bool") }

// Uint returns a number that is written as an integer, without a fraction or an
// exponent; a negative one is an error.
func (c *Config) Uint(key string) (uint64, error) {
	return one(c, key, "an integer", toUint)
}

// Float returns any number; one beyond the range of float64 is an error.
func (c *Config) Float(key string) (float64, error) {
	return one(c, key, "a number", toFloat)
}

// Strings returns an array of strings.
func (c *Config) Strings(key string) ([]string, error) {
	return many(c, key, "an array of strings", "a string", func(v any) (string, error) {
		if s, ok := v.(string); ok {
			return s, nil
		}
		return "", errKind
	})
}

// Uints returns an array of integers as Uint takes them.
func (c *Config) Uints(key string) ([]uint64, error) {
	return many(c, key, "an array of integers", "an integer", toUint)
}

// Floats returns an array of numbers as Float takes them.
func (c *Config) Floats(key string) ([]float64, error) {
	return many(c, key, "an array of numbers", "a number", toFloat)
}

// find returns the value that key leads to, nil if there is none.
func (c *Config) find(key string) any {
	m := c.values
	for {
		first, rest, nested := strings.Cut(key, ".")
		v := m[first]
		if !nested {
			return v
		}
		m, _ = v.(map[string]any)
		key = rest
	}
}

func (c *Config) get(key string) (any, error) {
	if v := c.find(key); v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("hfconfig: key %q: %w", key, ErrNoKey)
}

// as returns a value that must be a T.
func as[T any](c *Config, key, want string) (T, error) {
	v, err := c.get(key)
	t, ok := v.(T)
	if err == nil && !ok {
		err = keyError(key, "is %s, want %s", describe(v), want)
	}
	return t, err
}

// one returns a value converted by to.
func one[T any](c *Config, key, want string, to func(any) (T, error)) (T, error) {
	v, err := c.get(key)
	if err != nil {
		var zero T
		return zero, err
	}
	t, err := to(v)
	if err != nil {
		err = keyError(key, "%s", problem(v, want, err))
	}
	return t, err
}

// many returns an array with every element converted by to.
func many[T any](c *Config, key, want, wantElement string, to func(any) (T, error)) ([]T, error) {
	list, err := as[[]any](c, key, want)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(list))
	for i, v := range list {
		if out[i], err = to(v); err != nil {
			return nil, keyError(key, "element %d: %s", i, problem(v, wantElement, err))
		}
	}
	return out, nil
}

// errKind is what the conversions return for a value of another kind.
var errKind = errors.New("another kind of value")

func toUint(v any) (uint64, error) {
	n, ok := v.(number)
	if !ok || strings.ContainsAny(string(n), ".eE") {
		return 0, errKind
	}
	if n[0] == '-' {
		return 0, errors.New("is negative")
	}
	u, err := strconv.ParseUint(string(n), 10, 64)
	if err != nil {
		return 0, errors.New("overflows")
	}
	return u, nil
}

func toFloat(v any) (float64, error) {
	n, ok := v.(number)
	if !ok {
		return 0, errKind
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return 0, errors.New("overflows")
	}
	return f, nil
}

// problem says what a conversion's error says about v.
func problem(v any, want string, err error) string {
	if err == errKind {
		return fmt.Sprintf("is %s, want %s", describe(v), want)
	}
	return fmt.Sprintf("%s %v", clip(fmt.Sprint(v)), err)
}

// describe names a value for errors.
func describe(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return fmt.Sprintf("the string %q", clip(v))
	case number:
		return "the number " + clip(string(v))
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}

// clip shortens what an error quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func keyError(key, format string, args ...any) error {
	return fmt.Errorf("hfconfig: key %q: %s", key, fmt.Sprintf(format, args...))
}
