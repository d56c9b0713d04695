package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// fail says what went wrong with the disk, and the way out. what names the path.
func fail(what string, err error) error {
	err = bare(err)
	if way := wayOut(err); way != "" {
		return fmt.Errorf("checkpoint: %s: %w: %s", what, err, way)
	}
	return fmt.Errorf("checkpoint: %s: %w", what, err)
}

// bare takes the path from an error of package os, since ours name it themselves.
func bare(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}

func wayOut(err error) string {
	for _, w := range ways {
		if errors.Is(err, w.err) {
			return w.out
		}
	}
	return ""
}

type way struct {
	err error
	out string
}

// anywhere are the errors that every operating system has.
var anywhere = []way{
	{syscall.EMFILE, "close files or raise the limit on open files"},
	{fs.ErrPermission, "make the folder writable or save elsewhere"},
	{syscall.EIO, "the disk may be failing: look at its log and save elsewhere"},
	{io.ErrShortWrite, "the disk took a part only: is it full?"},
	{syscall.ENOTDIR, "a file is where a folder should be: choose another path"},
}
