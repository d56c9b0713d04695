package checkpoint

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// memory is a disk that may crash. What was written is safe when it was flushed:
// the bytes of a file by its Sync, the names in a folder by syncDir. Names and bytes
// are flushed apart, as POSIX has it, not together, as most disks do.
type memory struct {
	root *node
	// before is asked before each operation, and its error is the operation's;
	// after is told when one that changes the disk has succeeded.
	before func(op, path string) error
	after  func()
}

type node struct {
	children map[string]*node // nil for a file
	// flushed is what a crash leaves of a folder at least; pending are the changes
	// since then, any of which may be left as well.
	flushed map[string]*node
	pending []change

	data, safe []byte // of a file: all, and what a crash leaves at least
}

// change is what one operation does to the names of a folder.
type change struct {
	name string
	node *node  // nil: the name is taken away
	old  string // a rename takes this one away as well
}

func newFolder() *node { return &node{children: map[string]*node{}, flushed: map[string]*node{}} }

func newMemory() *memory { return &memory{root: newFolder()} }

func (n *node) apply(c change, names map[string]*node) {
	if c.old != "" {
		delete(names, c.old)
	}
	if c.node == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.node
	}
}

func (n *node) change(c change) {
	n.apply(c, n.children)
	n.pending = append(n.pending, c)
}

// crash returns the disk after a crash in which each thing that was not flushed is
// kept with probability p.
func (m *memory) crash(p float64, r *rand.Rand) *memory {
	copies := map[*node]*node{}
	var clone func(n *node) *node
	clone = func(n *node) *node {
		if c, ok := copies[n]; ok {
			return c
		}
		c := &node{}
		copies[n] = c
		if n.children == nil {
			c.data = crashedFile(n, p, r)
			c.safe = slices.Clone(c.data)
			return c
		}
		names := maps.Clone(n.flushed)
		for _, ch := range n.pending {
			if r.Float64() < p {
				n.apply(ch, names)
			}
		}
		c.children = map[string]*node{}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			c.children[name] = clone(names[name])
		}
		c.flushed = maps.Clone(c.children)
		return c
	}
	return &memory{root: clone(m.root)}
}

// crashedFile keeps what is safe. Of the rest a part is kept, and in it there may be
// zeros, where the length came to the disk before the bytes.
func crashedFile(n *node, p float64, r *rand.Rand) []byte {
	if p == 1 {
		return slices.Clone(n.data)
	}
	b := slices.Clone(n.safe)
	if p > 0 && len(n.data) > len(n.safe) {
		rest := slices.Clone(n.data[len(n.safe):])
		rest = rest[:r.IntN(len(rest)+1)]
		if len(rest) > 0 && r.Float64() >= p {
			clear(rest[r.IntN(len(rest)):])
		}
		b = append(b, rest...)
	}
	return b
}

// do runs an operation.
func (m *memory) do(op, path string, f func() error) error {
	if m.before != nil {
		if err := m.before(op, path); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
	}
	if err := f(); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	switch op {
	case "list", "open", "read", "close":
		return nil
	}
	if m.after != nil {
		m.after()
	}
	return nil
}

func (m *memory) find(path string) *node {
	if parent := filepath.Dir(path); parent != path {
		if n := m.find(parent); n != nil {
			return n.children[filepath.Base(path)]
		}
		return nil
	}
	return m.root
}

// at returns the folder of a path and its last name.
func (m *memory) at(path string) (*node, string, error) {
	n := m.find(filepath.Dir(path))
	if n == nil || n.children == nil {
		return nil, "", fs.ErrNotExist
	}
	return n, filepath.Base(path), nil
}

func (m *memory) list(dir string) (all []entry, err error) {
	err = m.do("list", dir, func() error {
		n := m.find(dir)
		if n == nil {
			return fs.ErrNotExist
		}
		for _, name := range slices.Sorted(maps.Keys(n.children)) {
			all = append(all, entry{name, n.children[name].children != nil})
		}
		return nil
	})
	return all, err
}

func (m *memory) open(path string) (r io.ReadCloser, size int64, err error) {
	err = m.do("open", path, func() error {
		n := m.find(path)
		if n == nil || n.children != nil {
			return fs.ErrNotExist
		}
		r, size = &reader{m, path, bytes.NewReader(n.data)}, int64(len(n.data))
		return nil
	})
	return r, size, err
}

type reader struct {
	m    *memory
	path string
	r    *bytes.Reader
}

func (r *reader) Read(b []byte) (n int, err error) {
	failed := r.m.do("read", r.path, func() error {
		n, err = r.r.Read(b)
		return nil
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}

func (r *reader) Close() error { return nil }

func (m *memory) add(op, path string, n *node) error {
	return m.do(op, path, func() error {
		parent, name, err := m.at(path)
		if err != nil {
			return err
		}
		if parent.children[name] != nil {
			return fs.ErrExist
		}
		parent.change(change{name: name, node: n})
		return nil
	})
}

func (m *memory) mkdir(dir string) error { return m.add("mkdir", dir, newFolder()) }

func (m *memory) create(path string) (file, error) {
	n := &node{}
	return &memoryFile{m, path, n}, m.add("create", path, n)
}

func (m *memory) rename(old, path string) error {
	return m.do("rename", old, func() error {
		parent, name, err := m.at(path)
		if err != nil {
			return err
		}
		from := filepath.Base(old)
		moved, there := parent.children[from], parent.children[name]
		if filepath.Dir(old) != filepath.Dir(path) || moved == nil {
			return fs.ErrNotExist
		}
		if there != nil && (there.children != nil) {
			return fs.ErrExist
		}
		parent.change(change{name: name, node: moved, old: from})
		return nil
	})
}

func (m *memory) remove(path string) error {
	return m.do("remove", path, func() error {
		parent, name, err := m.at(path)
		if err != nil {
			return err
		}
		n := parent.children[name]
		if n == nil {
			return fs.ErrNotExist
		}
		if len(n.children) > 0 {
			return fs.ErrExist // not empty
		}
		parent.change(change{name: name})
		return nil
	})
}

func (m *memory) syncDir(dir string) error {
	return m.do("syncdir", dir, func() error {
		n := m.find(dir)
		if n == nil {
			return fs.ErrNotExist
		}
		n.flushed, n.pending = maps.Clone(n.children), nil
		return nil
	})
}

type memoryFile struct {
	m    *memory
	path string
	n    *node
}

// errShort makes a write take a part and say nothing.
var errShort = io.ErrShortWrite

func (f *memoryFile) Write(b []byte) (int, error) {
	err := f.m.do("write", f.path, func() error {
		f.n.data = append(f.n.data, b...)
		return nil
	})
	if err != nil {
		part := len(b) / 2 // a full disk takes a part
		f.n.data = append(f.n.data, b[:part]...)
		if err.(*fs.PathError).Err == errShort {
			err = nil
		}
		return part, err
	}
	return len(b), nil
}

func (f *memoryFile) Sync() error {
	return f.m.do("sync", f.path, func() error {
		f.n.safe = slices.Clone(f.n.data)
		return nil
	})
}

func (f *memoryFile) Close() error {
	return f.m.do("close", f.path, func() error { return nil })
}
