package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/format/safetensors"
)

// ggufLayout finds the records of a GGUF file, which the parser doesn't tell, by
// their sizes.
func ggufLayout(b []byte) (layout, error) {
	f, err := gguf.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return layout{}, err
	}
	l := layout{size: int64(len(b)), records: []int64{0, 4, 8, 16}}
	at := int64(24)
	for key, v := range f.Meta.All() {
		l.records = append(l.records, at)
		at += 8 + int64(len(key)) + 4 + valueSize(v)
	}
	l.table[0] = at
	for _, t := range f.Tensors {
		l.records = append(l.records, at)
		at += 8 + int64(len(t.Name)) + 4 + 8*int64(len(t.Dims)) + 4 + 8
	}
	l.table[1] = at
	l.records = append(l.records, at)
	for _, t := range f.Tensors {
		l.records = append(l.records, t.Offset)
	}
	a := int64(f.Alignment)
	if len(f.Tensors) == 0 || (at+a-1)/a*a != f.Tensors[0].Offset {
		return layout{}, fmt.Errorf("the records end at %d, which doesn't fit", at)
	}
	return l, nil
}

func valueSize(v any) int64 {
	switch v := v.(type) {
	case string:
		return 8 + int64(len(v))
	case []string:
		n := int64(4 + 8)
		for _, s := range v {
			n += 8 + int64(len(s))
		}
		return n
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice {
		return 4 + 8 + int64(r.Len())*int64(r.Type().Elem().Size())
	}
	return int64(binary.Size(v))
}

// safetensorsLayout takes the header as the table: a record ends wherever a
// bracket of JSON closes.
func safetensorsLayout(b []byte) (layout, error) {
	f, err := safetensors.Parse(b)
	if err != nil {
		return layout{}, err
	}
	if len(f.Tensors) == 0 {
		return layout{}, errors.New("no tensors")
	}
	end := int64(8 + binary.LittleEndian.Uint64(b))
	l := layout{size: int64(len(b)), records: []int64{0, 8}, table: [2]int64{8, end}}
	for i := int64(8); i < end; i++ {
		if b[i] == '}' || b[i] == ']' {
			l.records = append(l.records, i+1)
		}
	}
	for _, t := range f.Tensors {
		l.records = append(l.records, t.Offset)
	}
	return l, nil
}
