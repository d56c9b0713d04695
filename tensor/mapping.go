package tensor

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// Mapping is the read-only content of a file: mapped into memory where the
// operating system can, otherwise read to the heap.
//
// A mapped file must not be cut short while it is in use. Reading a page beyond
// its new end is a fault (SIGBUS) that ends the program, and no check made
// before helps. Files that others may rewrite should be opened with OpenCopy.
type Mapping struct {
	data  []byte
	unmap func([]byte) error // nil for a copy
}

// OpenMapping maps the regular file at path. Pages are read when first touched.
func OpenMapping(path string) (*Mapping, error) { return open(path, mapFile) }

// OpenCopy reads the regular file at path to the heap: the way out where the
// file may be truncated or rewritten while it is in use, or lies on a file
// system that may go away. It costs memory and time for the whole file.
func OpenCopy(path string) (*Mapping, error) { return open(path, readFile) }

func open(path string, load func(f *os.File, size int) (*Mapping, error)) (*Mapping, error) {
	// Stat before open as well: opening a pipe or a device may block or act.
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, &os.PathError{Op: "map", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping outlives its descriptor
	if fi, err = f.Stat(); err != nil {
		return nil, err
	}
	size := fi.Size()
	if !fi.Mode().IsRegular() || size < 0 || size > math.MaxInt {
		return nil, &os.PathError{Op: "map", Path: path, Err: fmt.Errorf("cannot hold %v of %d bytes", fi.Mode(), size)}
	}
	if size == 0 { // an empty range cannot be mapped
		return &Mapping{}, nil
	}
	m, err := load(f, int(size))
	if err != nil {
		return nil, &os.PathError{Op: "map", Path: path, Err: err}
	}
	return m, nil
}

// readFile reads exactly size bytes. A file that is shorter by now is an error.
func readFile(f *os.File, size int) (*Mapping, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, int64(size)), b); err != nil {
		return nil, err
	}
	return &Mapping{data: b}, nil
}

// Bytes returns the content, nil after Close. It must not be written: in a
// mapped file a write is a fault.
func (m *Mapping) Bytes() []byte { return m.data }

// Len returns the number of bytes.
func (m *Mapping) Len() int { return len(m.data) }

// Close gives the memory back. Every view of a mapped file becomes invalid, and
// using one is a fault: close last. Closing twice does nothing.
func (m *Mapping) Close() error {
	b, unmap := m.data, m.unmap
	m.data, m.unmap = nil, nil
	if unmap == nil {
		return nil
	}
	return unmap(b)
}
