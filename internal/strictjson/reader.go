package strictjson

import (
	"fmt"
	"iter"
	"unicode/utf8"
)

// Kind is what a value is, by its first byte.
type Kind uint8

// The kinds of values. None is the end of the text, or a byte that begins no value.
const (
	None Kind = iota
	Object
	Array
	String
	Number
	Bool
	Null
)

var kindNames = [...]string{"no value", "an object", "an array", "a string", "a number", "a bool", "null"}

// String names the kind for errors: "a string".
func (k Kind) String() string { return kindNames[k] }

// Error is what is wrong with a text, and where.
type Error struct {
	Offset  int64 // from the start of the text, in bytes
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (at byte %d)", e.Problem, e.Offset) }

// Reader reads one document front to back. After the first error every read gives
// zero and every loop ends; Err tells the error.
type Reader struct {
	b     []byte
	pos   int
	room  int // how much deeper objects and arrays may nest
	depth int // the limit, for errors
	err   *Error
}

// New returns a Reader of b, in which objects and arrays nest at most depth deep.
func New(b []byte, depth int) *Reader {
	r := &Reader{b: b, room: depth, depth: depth}
	if !utf8.Valid(b) {
		at := 0
		for {
			c, n := utf8.DecodeRune(b[at:])
			if c == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		r.Fail(at, "byte %#02x is not UTF-8", b[at])
	}
	return r
}

// Err returns nil or the first error, an [*Error].
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Fail records that what stands at byte at is wrong, unless there is an error
// already.
func (r *Reader) Fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: int64(at), Problem: fmt.Sprintf(format, args...)}
	}
}

// Offset returns where the next token stands.
func (r *Reader) Offset() int {
	for r.pos < len(r.b) {
		switch r.b[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return r.pos
		}
	}
	return r.pos
}

// peek returns the first byte of the next token, 0 at the end of the text.
func (r *Reader) peek() byte {
	if at := r.Offset(); at < len(r.b) {
		return r.b[at]
	}
	return 0
}

// Kind returns what the next value is, judged by its first byte.
func (r *Reader) Kind() Kind {
	switch c := r.peek(); {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == '-' || isDigit(c):
		return Number
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	}
	return None
}

// is reports whether the next value is of kind k, and fails otherwise.
func (r *Reader) is(k Kind) bool {
	if r.err != nil {
		return false
	}
	if have := r.Kind(); have == None {
		r.unexpected(k.String())
	} else if have != k {
		r.Fail(r.pos, "want %v, have %v", k, have)
	}
	return r.err == nil
}

// unexpected fails at a byte that can't stand where it does.
func (r *Reader) unexpected(want string) {
	if at := r.Offset(); at == len(r.b) {
		r.Fail(at, "want %s, the text ends", want)
	} else {
		c, _ := utf8.DecodeRune(r.b[at:])
		r.Fail(at, "want %s, have %q", want, c)
	}
}

// accept takes the byte c if it is next.
func (r *Reader) accept(c byte) bool {
	if r.err != nil || r.peek() != c || r.pos == len(r.b) {
		return false
	}
	r.pos++
	return true
}

// open enters an object or array.
func (r *Reader) open(k Kind) bool {
	if !r.is(k) {
		return false
	}
	if r.room == 0 {
		r.Fail(r.pos, "nested deeper than %d", r.depth)
		return false
	}
	r.room--
	r.pos++
	return true
}

// close leaves an object or array if the byte c is next.
func (r *Reader) close(c byte) bool {
	if !r.accept(c) {
		return false
	}
	r.room++
	return true
}

// Object reads an object: it yields where each key stands, and the key, of at most
// limit bytes and valid until the next read. The body of the loop reads the key's
// value; it may leave the loop early only after an error.
func (r *Reader) Object(limit int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if !r.open(Object) || r.close('}') {
			return
		}
		for r.err == nil {
			at := r.Offset()
			key := r.Text(limit)
			if r.err == nil && !r.accept(':') {
				r.unexpected("':'")
			}
			if r.err != nil || !yield(at, key) || r.close('}') {
				return
			}
			if !r.accept(',') {
				r.unexpected("',' or '}'")
			}
		}
	}
}

// Array reads an array: it yields the index of each element. The body of the loop
// reads the element; it may leave the loop early only after an error.
func (r *Reader) Array() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !r.open(Array) || r.close(']') {
			return
		}
		for i := 0; r.err == nil; i++ {
			if !yield(i) || r.close(']') {
				return
			}
			if !r.accept(',') {
				r.unexpected("',' or ']'")
			}
		}
	}
}

// Skip reads a value of any kind and forgets it.
func (r *Reader) Skip() {
	switch r.Kind() {
	case Object:
		for range r.Object(len(r.b)) {
			r.Skip() // no deeper than the limit
		}
	case Array:
		for range r.Array() {
			r.Skip()
		}
	case String:
		r.text()
	case Number:
		r.Number()
	case Bool:
		r.Bool()
	case Null:
		r.Null()
	default:
		r.unexpected("a value")
	}
}

// End checks that nothing but white space is left.
func (r *Reader) End() {
	if at := r.Offset(); at < len(r.b) {
		r.unexpected("the end")
	}
}
