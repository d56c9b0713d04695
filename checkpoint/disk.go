package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// fileSystem is all that this package does to a disk. Tests have one that loses
// what was not flushed, and one that fails at any call.
type fileSystem interface {
	list(dir string) ([]entry, error)
	open(path string) (r io.ReadCloser, size int64, err error) // a regular file
	mkdir(dir string) error                                    // fails if it exists
	create(path string) (file, error)                          // fails if it exists
	rename(old, path string) error
	remove(path string) error // a file or an empty folder
	syncDir(dir string) error
}

type entry struct {
	name string
	dir  bool
}

type file interface {
	io.WriteCloser
	Sync() error
}

// disk is the operating system's file system.
type disk struct{}

func (disk) list(dir string) ([]entry, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := make([]entry, len(found))
	for i, e := range found {
		all[i] = entry{e.Name(), e.IsDir()}
	}
	return all, nil
}

func (disk) open(path string) (io.ReadCloser, int64, error) {
	// Stat before open as well: to open a pipe may block.
	fi, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: errNotFile}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if fi, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

func (disk) mkdir(dir string) error { return os.Mkdir(dir, 0o777) }

func (disk) create(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (disk) rename(old, path string) error { return os.Rename(old, path) }
func (disk) remove(path string) error      { return os.Remove(path) }

// syncDir makes the names in a folder durable. Windows has no such call: there
// NTFS's journal orders them.
func (disk) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// A file is not as long as it was said to be, or no file.
var (
	errSize    = errors.New("wrong size")
	errNotFile = fmt.Errorf("%w: not a regular file", errSize)
)

// readExactly reads size bytes, which must be all.
func readExactly(r io.Reader, size int64) ([]byte, error) {
	b := make([]byte, size)
	if n, err := io.ReadFull(r, b); err == io.ErrUnexpectedEOF || err == io.EOF && size > 0 {
		return nil, fmt.Errorf("%w: ends after %d of %d bytes", errSize, n, size)
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// write makes a new file and flushes it.
func write(f fileSystem, path string, fill func(w io.Writer) error) error {
	w, err := f.create(path)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		w.Close()
		return err
	}
	if err := w.Sync(); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// removeAll removes a folder with all that is in it.
func removeAll(f fileSystem, dir string) error {
	entries, err := f.list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeEntry(f, dir, e); err != nil {
			return err
		}
	}
	return f.remove(dir)
}

func removeEntry(f fileSystem, dir string, e entry) error {
	path := dir + string(os.PathSeparator) + e.name
	if e.dir {
		return removeAll(f, path)
	}
	return f.remove(path)
}
