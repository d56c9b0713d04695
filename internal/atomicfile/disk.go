package atomicfile

import (
	"io/fs"
	"os"
	"runtime"
)

// disk is the operating system's file system.
type disk struct{}

func (disk) create(path string, perm fs.FileMode) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
}

// open opens a finished file for flushing. Windows flushes only through a handle that
// may write; elsewhere a read-only file must work too.
func (disk) open(path string) (file, error) {
	if runtime.GOOS == "windows" {
		return os.OpenFile(path, os.O_RDWR, 0)
	}
	return os.Open(path)
}

func (disk) rename(old, path string) error { return os.Rename(old, path) }
func (disk) remove(path string) error      { return os.Remove(path) }

// syncDir makes a rename durable. Windows has no such call: there NTFS's journal orders renames.
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
