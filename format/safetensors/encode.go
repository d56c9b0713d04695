package safetensors

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Write writes a file of the given metadata and tensors to w, with data(i) as the
// bytes of tensors[i]. It calls data once for each tensor, in the order of the file:
// by falling alignment of the types, then by name. Tensor.Offset and Size are not
// read. What Write writes, Parse accepts, and it is byte for byte what the
// reference library (safetensors 0.8.0) writes; only several keys of metadata, which
// that leaves in any order, are sorted here. If metadata is nil, the file has none.
func Write(w io.Writer, metadata map[string]string, tensors []Tensor, data func(i int) []byte) error {
	if err := writable(metadata); err != nil {
		return err
	}
	sizes, err := sizesOf(tensors)
	if err != nil {
		return err
	}
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(tensors[j].Type, tensors[i].Type), cmp.Compare(tensors[i].Name, tensors[j].Name))
	})

	h := binary.LittleEndian.AppendUint64(nil, 0) // the length, known below
	h = appendHeader(h, metadata, tensors, sizes, order)
	for len(h)%lengthBytes != 0 {
		h = append(h, ' ') // so that data is aligned for every type
	}
	n := len(h) - lengthBytes
	if n > maxHeader {
		return fmt.Errorf("safetensors: header of %d bytes exceeds the limit of %d: use fewer tensors or less metadata", n, maxHeader)
	}
	binary.LittleEndian.PutUint64(h, uint64(n))

	out := bufio.NewWriter(w) // keeps the first error; Flush tells it
	out.Write(h)
	for _, i := range order {
		b := data(i)
		if int64(len(b)) != sizes[i] {
			return fmt.Errorf("safetensors: tensor %q: %v of shape %d takes %d bytes, have %d", tensors[i].Name, tensors[i].Type, tensors[i].Shape, sizes[i], len(b))
		}
		out.Write(b)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("safetensors: write: %w", err)
	}
	return nil
}

// writable checks the metadata as Parse would.
func writable(metadata map[string]string) error {
	if len(metadata) > maxKeys {
		return fmt.Errorf("safetensors: metadata: %d keys exceed the limit of %d", len(metadata), maxKeys)
	}
	for k, v := range metadata {
		if len(k) > maxName || !utf8.ValidString(k) {
			return fmt.Errorf("safetensors: metadata %q: key is not UTF-8 of at most %d bytes", k, maxName)
		}
		if len(v) > maxString || !utf8.ValidString(v) {
			return fmt.Errorf("safetensors: metadata %q: value is not UTF-8 of at most %d bytes", k, maxString)
		}
	}
	return nil
}

// sizesOf checks the tensors as Parse would, and returns their sizes.
func sizesOf(tensors []Tensor) ([]int64, error) {
	if len(tensors) > maxTensors {
		return nil, fmt.Errorf("safetensors: %d tensors exceed the limit of %d", len(tensors), maxTensors)
	}
	sizes := make([]int64, len(tensors))
	seen := make(map[string]bool, len(tensors))
	total := int64(0)
	for i, t := range tensors {
		size, problem := t.Type.size(t.Shape)
		switch {
		case t.Name == "" || len(t.Name) > maxName || !utf8.ValidString(t.Name):
			problem = fmt.Sprintf("name is not 1 to %d bytes of UTF-8", maxName)
		case t.Name == metadataKey:
			problem = "name belongs to the metadata"
		case seen[t.Name]:
			problem = "duplicate name"
		case problem == "" && size > maxFile-total:
			problem = "file would be too large"
		}
		if problem != "" {
			return nil, fmt.Errorf("safetensors: tensor %q: %s", t.Name, problem)
		}
		seen[t.Name] = true
		sizes[i] = size
		total += size
	}
	return sizes, nil
}

// maxFile keeps sums of sizes far from overflow.
const maxFile = 1 << 62

// appendHeader appends the JSON text without a blank in it, as the reference
// library writes it.
func appendHeader(h []byte, metadata map[string]string, tensors []Tensor, sizes []int64, order []int) []byte {
	h = append(h, '{')
	if metadata != nil {
		h = appendString(h, metadataKey)
		h = append(h, ":{"...)
		for i, k := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				h = append(h, ',')
			}
			h = append(appendString(h, k), ':')
			h = appendString(h, metadata[k])
		}
		h = append(h, '}')
	}
	offset := int64(0)
	for _, i := range order {
		t := tensors[i]
		if h[len(h)-1] != '{' {
			h = append(h, ',')
		}
		h = append(appendString(h, t.Name), `:{"dtype":`...)
		h = append(appendString(h, t.Type.String()), `,"shape":[`...)
		for j, d := range t.Shape {
			if j > 0 {
				h = append(h, ',')
			}
			h = strconv.AppendUint(h, d, 10)
		}
		h = append(h, `],"data_offsets":[`...)
		h = append(strconv.AppendInt(h, offset, 10), ',')
		offset += sizes[i]
		h = append(strconv.AppendInt(h, offset, 10), "]}"...)
	}
	return append(h, '}')
}

// appendString appends s in quotes. Only what JSON demands is escaped, as the
// reference library does; encoding/json would escape more.
func appendString(h []byte, s string) []byte {
	const hex = "0123456789abcdef"
	h = append(h, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			h = append(h, '\\', c)
		case c == '\b':
			h = append(h, `\b`...)
		case c == '\t':
			h = append(h, `\t`...)
		case c == '\n':
			h = append(h, `\n`...)
		case c == '\f':
			h = append(h, `\f`...)
		case c == '\r':
			h = append(h, `\r`...)
		case c < ' ':
			h = append(h, `\u00`...)
			h = append(h, hex[c>>4], hex[c&15])
		default:
			h = append(h, c)
		}
	}
	return append(h, '"')
}
