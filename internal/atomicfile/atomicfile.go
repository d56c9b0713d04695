// Package atomicfile replaces files so that a reader, or a machine that loses
// power, meets either the old contents or the new ones and never a part.
//
// A write goes to a temporary file in the same directory, is flushed to the
// disk, takes the final name by rename, and then the directory is flushed, since
// a rename that is only in memory is lost with the power. Nothing in mica opens
// a final name for writing in any other way.
package atomicfile

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Write replaces the file at path by what write produces. The permissions are
// perm less the process's umask, also when the file existed before. A symbolic
// link at path is replaced, not followed.
//
// If write, or the disk, fails, the old file is untouched and the temporary one
// is gone. The only error with the new contents in place is that of flushing the
// directory, the last step: the file is then whole, but may not survive a power cut.
func Write(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return replace(disk{}, path, perm, write)
}

// WriteBytes is Write with contents that are already in memory.
func WriteBytes(path string, perm fs.FileMode, data []byte) error {
	return Write(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Rename gives the finished file at old its final name. It flushes the file, renames
// it and flushes the directory, as Write does, for a file that was filled over a
// longer time (a download that resumes). Both names must be on one file system.
// On failure old is left as it was.
func Rename(old, path string) error {
	return rename(disk{}, old, path)
}

// A file is what replace needs of an *os.File.
type file interface {
	io.WriteCloser
	Sync() error
}

// A filesystem is the set of operations in which a write can fail; tests make each of them fail.
type filesystem interface {
	create(path string, perm fs.FileMode) (file, error) // fails if path exists
	open(path string) (file, error)
	rename(old, path string) error
	remove(path string) error
	syncDir(dir string) error
}

func replace(d filesystem, path string, perm fs.FileMode, write func(io.Writer) error) error {
	f, temp, err := createTemp(d, path, perm)
	if err != nil {
		return err
	}
	renamed := false
	defer func() {
		if !renamed { // failed, or write panicked; the first error is the one to tell
			f.Close()
			d.remove(temp)
		}
	}()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", path, err)
	}
	if err := d.rename(temp, path); err != nil {
		return err // *os.LinkError names both paths
	}
	renamed = true
	return syncParent(d, path)
}

func rename(d filesystem, old, path string) error {
	f, err := d.open(old)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return fmt.Errorf("sync %s: %w", old, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", old, err)
	}
	if err := d.rename(old, path); err != nil {
		return err
	}
	return syncParent(d, path)
}

func syncParent(d filesystem, path string) error {
	dir := filepath.Dir(path)
	if err := d.syncDir(dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// createTemp makes a new hidden file beside path. It does not use os.CreateTemp,
// whose files are always 0600: here the umask shall decide, as it does for os.Create.
func createTemp(d filesystem, path string, perm fs.FileMode) (file, string, error) {
	dir, base := filepath.Split(path)
	if len(base) > 64 {
		base = base[:64] // leave room for the suffix: a name has at most 255 bytes
	}
	for try := 0; ; try++ {
		temp := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64()))
		f, err := d.create(temp, perm)
		if err == nil {
			return f, temp, nil
		}
		if !os.IsExist(err) || try == 100 {
			return nil, "", err
		}
	}
}
