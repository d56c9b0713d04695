package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// workshop makes two folders in the stage for a run of a package client: one for what it
// fetches, one for its temporary files.
func (j pullJob) workshop() (fetched, temp string, err error) {
	dir, err := os.MkdirTemp(j.stage, "client-")
	if err != nil {
		return "", "", writeError(j.store.dir, err)
	}
	fetched, temp = filepath.Join(dir, "fetched"), filepath.Join(dir, "temp")
	for _, d := range []string{fetched, temp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return "", "", writeError(j.store.dir, err)
		}
	}
	return fetched, temp, nil
}

// inTemp is the environment of a client that writes its temporary files into a folder.
func inTemp(dir string) []string {
	return append(os.Environ(), "TMPDIR="+dir, "TEMP="+dir, "TMP="+dir)
}

// command prepares a command that ends, with all that it started, when ctx does.
func command(ctx context.Context, exe string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, exe, args...)
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = 5 * time.Second // for a descendant that left the group and still holds the pipes
	return cmd
}

// A product is the model's file while it is written into the stage; its checksum grows with it.
type product struct {
	job  pullJob
	file *os.File
	sum  hash.Hash
	size int64
}

// create starts the model's file. It will be read-only: it is mapped into memory, where a change would be a fault.
func (j pullJob) create(base string) (*product, error) {
	f, err := os.OpenFile(filepath.Join(j.stage, base), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, writeError(j.store.dir, err)
	}
	return &product{job: j, file: f, sum: sha256.New()}, nil
}

func (p *product) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.sum.Write(b[:n])
	p.size += int64(n)
	if err != nil {
		err = writeError(p.job.store.dir, err)
	}
	return n, err
}

// Close ends an unfinished product; the stage is removed with it.
func (p *product) Close() error { return p.file.Close() }

// finish compares the checksum with the one that is known, if any, and describes the model.
func (p *product) finish(src Ref, license string) (manifest, error) {
	if err := p.file.Close(); err != nil {
		return manifest{}, writeError(p.job.store.dir, err)
	}
	sum := hex.EncodeToString(p.sum.Sum(nil))
	if p.job.sha256 != "" && sum != p.job.sha256 {
		return manifest{}, mismatch(filepath.Base(p.file.Name()), sum, p.job.sha256)
	}
	return manifest{Source: src.String(), File: p.file.Name(), SHA256: sum, Size: p.size, License: license}, nil
}

func mismatch(name, got, want string) error {
	return fmt.Errorf("%w: %s has SHA-256 %s, expected %s", ErrMismatch, name, got, want)
}

// watch reports the growth of a folder until stop is called: pip's own progress is meant for
// people. No call of the Progress is made after stop has returned.
func (j pullJob) watch(stage, dir string) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			j.progress.report(stage, diskUsage(dir), 0)
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// diskUsage adds up the files below dir. Files may come and go meanwhile.
func diskUsage(dir string) (total int64) {
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if fi, err := e.Info(); err == nil {
			total += fi.Size()
		}
		return nil
	})
	return total
}

// A tail keeps the last 8 KiB written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	const keep = 8 << 10
	t.buf = append(t.buf, p...)
	if len(t.buf) > keep {
		t.buf = bytes.Clone(t.buf[len(t.buf)-keep:])
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }

// printable makes text from outside fit for one line of a terminal.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return strings.TrimSpace(s)
}
