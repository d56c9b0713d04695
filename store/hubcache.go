package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/micaml/mica/internal/atomicfile"
)

// A hubCache is the folder that all clients of the Hub share. Its layout is theirs:
//
//	models--ORG--NAME/blobs/SHA256              the contents; SHA256.incomplete while it is fetched
//	models--ORG--NAME/snapshots/COMMIT/FILE     a relative link to a blob
//	models--ORG--NAME/refs/BRANCH               holds a commit
//	.locks/models--ORG--NAME/SHA256.lock
//
// For a file outside large-file storage, git's checksum takes the place of SHA256.
type hubCache struct{ root string }

func folder(repo string) string { return "models--" + strings.ReplaceAll(repo, "/", "--") }

func (c hubCache) repo(repo string) string      { return filepath.Join(c.root, folder(repo)) }
func (c hubCache) blob(repo, sha string) string { return filepath.Join(c.repo(repo), "blobs", sha) }
func (c hubCache) lock(repo, sha string) string {
	return filepath.Join(c.root, ".locks", folder(repo), sha+".lock")
}
func (c hubCache) snapshot(repo, commit, file string) string {
	return filepath.Join(c.repo(repo), "snapshots", commit, filepath.FromSlash(file))
}
func (c hubCache) ref(repo, rev string) string { return filepath.Join(c.repo(repo), "refs", rev) }

// create makes the cache's folder if it is new, marked for programs that make backups.
func (c hubCache) create() error {
	if exists(c.root) {
		return nil
	}
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return err
	}
	const tag = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of files from the Hugging Face Hub.\n"
	return atomicfile.WriteBytes(filepath.Join(c.root, "CACHEDIR.TAG"), 0o644, []byte(tag))
}

// find finds the files that a reference asks for, without the network. All of them are there.
func (c hubCache) find(r Ref) (commit string, chosen choice, ok bool) {
	commit = r.Rev
	if !hubCommit.MatchString(commit) {
		b, err := os.ReadFile(c.ref(r.Name, first(r.Rev, "main")))
		commit = strings.TrimSpace(string(b))
		if err != nil || !hubCommit.MatchString(commit) {
			return "", choice{}, false
		}
	}
	chosen, err := choose(tree(c.snapshot(r.Name, commit, "")), r.File)
	if err != nil || !chosen.one && !slices.ContainsFunc(chosen.files, func(f string) bool { return path.Base(f) == configName }) {
		return "", choice{}, false
	}
	return commit, chosen, true
}

// lookup is find for a model's description.
func (c hubCache) lookup(r Ref) (Model, bool) {
	commit, chosen, ok := c.find(r)
	if !ok {
		return Model{}, false
	}
	var size int64
	for _, file := range chosen.files {
		fi, err := os.Stat(c.snapshot(r.Name, commit, file))
		if err != nil || !fi.Mode().IsRegular() {
			return Model{}, false
		}
		size += fi.Size()
	}
	src := Ref{Kind: Hub, Name: r.Name, Rev: commit, File: r.File}
	m := Model{Name: r.String(), Path: c.snapshot(r.Name, commit, chosen.base), Size: size}
	if chosen.one {
		src.File = chosen.files[0]
		m.Path = c.snapshot(r.Name, commit, src.File)
		// The blob's name is what the Hub announced, which the client that wrote it need not have checked.
		if blob, err := filepath.EvalSymlinks(m.Path); err == nil && isSHA256(filepath.Base(blob)) {
			m.Digest = filepath.Base(blob)
		}
	}
	m.Source = src.String()
	return m, true
}

// link makes a blob visible as a file of a commit.
func (c hubCache) link(repo, commit, file, blobName string) error {
	p, blob := c.snapshot(repo, commit, file), c.blob(repo, blobName)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if sameFile(p, blob) {
		return nil
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	rel, err := filepath.Rel(filepath.Dir(p), blob)
	if err != nil {
		return err
	}
	// Windows lets only some users make symbolic links. And another process may have made it meanwhile.
	if err := os.Symlink(rel, p); err != nil && os.Link(blob, p) != nil && !sameFile(p, blob) {
		return err
	}
	return nil
}

// setRef notes which commit a branch or tag stands for.
func (c hubCache) setRef(repo, rev, commit string) error {
	if rev == commit {
		return nil
	}
	ref := c.ref(repo, rev)
	if err := os.MkdirAll(filepath.Dir(ref), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteBytes(ref, 0o644, []byte(commit))
}

func sameFile(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return false
	}
	fb, err := os.Stat(b)
	return err == nil && os.SameFile(fa, fb)
}
