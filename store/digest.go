package store

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Digest computes the SHA-256 of a file, in hex. It reads the whole file. A folder's digest
// is that of the list of its model files, as sha256sum prints it for the names in order.
func Digest(path string) (string, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !fi.IsDir() {
		return digest(context.Background(), path, func(int64) {})
	}
	names, err := modelFiles(path)
	if err != nil {
		return "", err
	}
	var parts []part
	for _, name := range names {
		sum, err := digest(context.Background(), filepath.Join(path, name), func(int64) {})
		if err != nil {
			return "", err
		}
		parts = append(parts, part{Name: name, SHA256: sum})
	}
	return listDigest(parts), nil
}

// listDigest is the digest of a model of several files, in the order of their names.
func listDigest(parts []part) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%s  %s\n", p.SHA256, p.Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digest(ctx context.Context, path string, report func(done int64)) (string, error) {
	return digestWith(ctx, sha256.New(), path, report)
}

func digestWith(ctx context.Context, h hash.Hash, path string, report func(done int64)) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := copyReport(ctx, h, f, report); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// A checksum is what the Hub announces for a file, in hex, and names the blob by: the SHA-256 of
// what is in its large-file storage, else the file's name in git, a SHA-1 of length and contents.
type checksum string

func (c checksum) valid() bool {
	_, err := hex.DecodeString(string(c))
	return err == nil && (len(c) == 2*sha256.Size || len(c) == 2*sha1.Size) && strings.ToLower(string(c)) == string(c)
}

func (c checksum) strong() bool { return len(c) == 2*sha256.Size }

// name of the algorithm, for messages.
func (c checksum) algorithm() string {
	if c.strong() {
		return "SHA-256"
	}
	return "git checksum"
}

// hash starts the computation that c is the result of, for a file of size bytes.
func (c checksum) hash(size int64) hash.Hash {
	if c.strong() {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", size)
	return h
}

// Verify reads a model's files again and compares them with the checksums that were noted
// when it was pulled. An error names the file and wraps ErrMismatch if it differs. A model that was
// never pulled (the Digest is "") has nothing to be compared with, which is no error.
func (s *Store) Verify(ctx context.Context, m Model, p Progress) error {
	if m.Digest == "" {
		return nil
	}
	parts := []part{{Name: filepath.Base(m.Path), SHA256: m.Digest, Size: m.Size}}
	dir := filepath.Dir(m.Path)
	all, _ := s.manifests() // one that cannot be read is of another model
	for _, found := range all {
		if len(found.Parts) > 0 && found.path(s.dir) == m.Path {
			parts, dir = found.Parts, m.Path
		}
	}
	for _, f := range parts {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		sum, err := digest(ctx, path, func(done int64) { p.report("checking "+f.Name, done, f.Size) })
		if err != nil {
			return err
		}
		if sum != f.SHA256 {
			return &Error{Ref: path, Err: fmt.Errorf("%w: SHA-256 %s, noted when it was pulled: %s", ErrMismatch, sum, f.SHA256),
				Hint: "the file was changed or the disk is failing: remove the model and pull it again"}
		}
	}
	return nil
}

// Owner finds the model that the file or folder at path belongs to, under its own name or through a link.
func (s *Store) Owner(path string) (Model, bool) {
	all, _ := s.manifests() // one that cannot be read owns nothing
	for _, m := range all {
		if sameFile(m.path(s.dir), path) {
			return m.model(s.dir), true
		}
	}
	return Model{}, false
}

// copyReport copies until the end of src, an error, or the end of ctx.
func copyReport(ctx context.Context, dst io.Writer, src io.Reader, report func(done int64)) (int64, error) {
	buf := make([]byte, 256<<10)
	var done int64
	for {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return done, err
			}
			done += int64(n)
			report(done)
		}
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
}
