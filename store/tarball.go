package store

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// A tarball takes one file out of a package of npm: a gzipped tar archive with everything in one folder. It is
// read once, to its end, and refused as a whole if it holds anything that such a package does not: names
// that lead elsewhere, links, names that collide on some file system, too much.
type tarball struct {
	lim    limits
	want   string // path in the package, "" = its only GGUF file
	create func(name string, size int64) (io.Writer, error)
	report func(name string, done, size int64)

	found   string // the path of the file
	license string // as package.json has it, or ""
	ggufs   []string
}

// slack is what a small archive may unpack to beyond the compression ratio: tar pads with zeros.
const slack = 1 << 20

func (t *tarball) unpack(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.read(ctx, f, fi.Size()); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	switch {
	case t.found != "":
		return nil
	case t.want != "":
		return fmt.Errorf("%w: no member %q in the package%s", ErrNotFound, t.want, listed(t.ggufs))
	}
	return fmt.Errorf("%w: no GGUF file in the package", ErrNotFound)
}

// read goes through an archive of size packed bytes.
func (t *tarball) read(ctx context.Context, r io.Reader, size int64) error {
	z, err := gzip.NewReader(contextReader{ctx, r})
	if err != nil {
		return err
	}
	// Whatever the archive declares, no more than this comes out of it; a model's limit is lower than that of all files.
	limit := min(t.lim.bytes, size*t.lim.ratio) + slack
	return t.walk(ctx, &boundedReader{r: z, left: limit, limit: limit})
}

// walk goes through the unpacked archive.
func (t *tarball) walk(ctx context.Context, r io.Reader) error {
	archive := tar.NewReader(r)
	seen := map[string]bool{}
	names := int64(0)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r) // to the end, where the checksum is
			return err
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader { // a comment of the program that made it
			continue
		}
		if names += int64(len(h.Name)); names > t.lim.directory {
			return fmt.Errorf("names of more than %d bytes in total", t.lim.directory)
		}
		name, err := t.check(h, seen)
		if err != nil {
			return err
		}
		if err := t.member(ctx, h, name, archive); err != nil {
			return fmt.Errorf("member %q: %w", h.Name, err)
		}
	}
}

// check refuses what does not belong into a package and gives the path in it.
func (t *tarball) check(h *tar.Header, seen map[string]bool) (string, error) {
	full := strings.TrimSuffix(h.Name, "/") // of a folder
	if err := localName(full); err != nil {
		return "", err
	}
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return "", fmt.Errorf("member %q is neither a file nor a folder", h.Name)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "", fmt.Errorf("member %q is sparse", h.Name)
		}
	}
	fold := strings.ToLower(full)
	if seen[fold] {
		return "", fmt.Errorf("member %q occurs twice", h.Name)
	}
	seen[fold] = true
	if len(seen) > t.lim.members {
		return "", fmt.Errorf("more than the %d members that are accepted", t.lim.members)
	}
	if h.Size > t.lim.bytes {
		return "", fmt.Errorf("member %q: %d bytes, at most %d are accepted", h.Name, h.Size, t.lim.bytes)
	}
	_, inside, _ := strings.Cut(full, "/")
	return inside, nil
}

// member takes the wanted file, and the licence.
func (t *tarball) member(ctx context.Context, h *tar.Header, name string, r io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if isGGUF(name) {
		t.ggufs = append(t.ggufs, name)
	}
	if name == "package.json" && h.Size <= maxMetadata && t.want != name {
		var p struct {
			License any `json:"license"` // old packages have an object
		}
		if b, err := io.ReadAll(r); err == nil && json.Unmarshal(b, &p) == nil {
			text, _ := p.License.(string)
			t.license = printable(text, 100)
		}
		return nil
	}
	if name != t.want && (t.want != "" || !isGGUF(name)) {
		return nil
	}
	if t.found != "" {
		return fmt.Errorf("%w: the package has several GGUF files, name one%s", ErrReference, listed(t.ggufs))
	}
	t.found = name
	w, err := t.create(name, h.Size)
	if err != nil {
		return err
	}
	_, err = copyReport(ctx, w, r, func(done int64) { t.report(name, done, h.Size) })
	return err
}

// A boundedReader fails, rather than ends, after so many bytes.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("unpacks to more than the %d bytes that are accepted for its size", b.limit)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// A contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
