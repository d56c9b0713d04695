package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// kind is the type of a metadata value in the file (enum gguf_type).
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// kinds holds how a value of each kind is read; arrays are not among them.
var kinds = map[kind]codec{
	kindUint8:   numeric(1, func(b []byte) uint8 { return b[0] }),
	kindInt8:    numeric(1, func(b []byte) int8 { return int8(b[0]) }),
	kindUint16:  numeric(2, binary.LittleEndian.Uint16),
	kindInt16:   numeric(2, func(b []byte) int16 { return int16(binary.LittleEndian.Uint16(b)) }),
	kindUint32:  numeric(4, binary.LittleEndian.Uint32),
	kindInt32:   numeric(4, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }),
	kindFloat32: numeric(4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }),
	kindUint64:  numeric(8, binary.LittleEndian.Uint64),
	kindInt64:   numeric(8, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }),
	kindFloat64: numeric(8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }),
	kindBool:    codecOf(1, (*decoder).bool),
	kindString: {
		read:     func(d *decoder) any { return d.text("value", maxString, true) },
		readMany: codecOf(8, (*decoder).piece).readMany, // each has a length of 8 bytes
	},
}

// kindOfGo is the kind of a Go value, by its exact type.
var kindOfGo = map[reflect.Type]kind{
	reflect.TypeFor[uint8](): kindUint8, reflect.TypeFor[int8](): kindInt8,
	reflect.TypeFor[uint16](): kindUint16, reflect.TypeFor[int16](): kindInt16,
	reflect.TypeFor[uint32](): kindUint32, reflect.TypeFor[int32](): kindInt32,
	reflect.TypeFor[uint64](): kindUint64, reflect.TypeFor[int64](): kindInt64,
	reflect.TypeFor[float32](): kindFloat32, reflect.TypeFor[float64](): kindFloat64,
	reflect.TypeFor[bool](): kindBool, reflect.TypeFor[string](): kindString,
}

// kindOf returns the kind of v or, if v is a slice, of its elements.
func kindOf(v any) (k kind, array, ok bool) {
	t := reflect.TypeOf(v)
	if t == nil {
		return 0, false, false
	}
	if k, ok = kindOfGo[t]; !ok && t.Kind() == reflect.Slice {
		array = true
		k, ok = kindOfGo[t.Elem()]
		ok = ok && t == reflect.SliceOf(t.Elem()) // no named slice types
	}
	return k, array, ok
}

// A codec reads one value or an array of n.
type codec struct {
	read     func(d *decoder) any
	readMany func(d *decoder, n uint64) any
}

func numeric[T any](width uint64, get func([]byte) T) codec {
	return codecOf(width, func(d *decoder) (v T) {
		if b := d.bytes(width, "value"); b != nil {
			v = get(b)
		}
		return v
	})
}

// codecOf makes a codec of a function that reads one value of at least width
// bytes.
func codecOf[T any](width uint64, read func(*decoder) T) codec {
	return codec{
		read: func(d *decoder) any { return read(d) },
		readMany: func(d *decoder, n uint64) any {
			if n > d.left()/width { // before anything is allocated for them
				d.fail(d.off-8, "array of %d elements needs more than the %d bytes left", n, d.left())
				return nil
			}
			s := make([]T, n)
			for i := range s {
				if s[i] = read(d); d.err != nil {
					return nil
				}
			}
			return s
		},
	}
}

// describe names the type of a value for errors.
func describe(v any) string {
	if _, array, _ := kindOf(v); array {
		return fmt.Sprintf("an array of %s", reflect.TypeOf(v).Elem())
	}
	return fmt.Sprintf("of type %T", v)
}
