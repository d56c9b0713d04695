package main

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/internal/atomicfile"
)

// writeModel writes f with data(i) as tensor i, all of it or nothing.
func writeModel(path string, f *gguf.File, data func(i int) ([]byte, error)) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		var failed error
		err := gguf.Encode(w, f, func(i int) []byte {
			b, err := data(i)
			if err != nil && failed == nil {
				failed = err
			}
			return b
		})
		if failed != nil {
			return failed
		}
		return err
	})
}

func byteReader(b []byte) io.ReaderAt { return bytes.NewReader(b) }

func putU16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }
func putU32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
