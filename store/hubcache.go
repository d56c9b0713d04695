package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/micaml/mica/internal/atomicfile"
)

// A hubCache is the folder that all clients of the Hub share. Its layout is theirs:
//
//	models--ORG--NAME/blobs/SHA256              the contents; SHA256.incomplete while it is fetched
//	models--ORG--NAME/snapshots/COMMIT/FILE     a relative link to a blob
//	models--ORG--NAME/refs/BRANCH               holds a commit
//	.locks/models--ORG--NAME/SHA256.lock
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

// lookup finds a file that is in the cache already, without the network.
func (c hubCache) lookup(r Ref) (Model, bool) {
	commit := r.Rev
	if !hubCommit.MatchString(commit) {
		b, err := os.ReadFile(c.ref(r.Name, first(r.Rev, "main")))
		commit = strings.TrimSpace(string(b))
		if err != nil || !hubCommit.MatchString(commit) {
			return Model{}, false
		}
	}
	file := r.File
	if file == "" { // as in the repository: the only GGUF file
		found, _ := filepath.Glob(filepath.Join(c.snapshot(r.Name, commit, ""), "*.gguf"))
		if len(found) != 1 {
			return Model{}, false
		}
		file = filepath.Base(found[0])
	}
	p := c.snapshot(r.Name, commit, file)
	fi, err := os.Stat(p)
	if err != nil || !fi.Mode().IsRegular() {
		return Model{}, false
	}
	src := Ref{Kind: Hub, Name: r.Name, Rev: commit, File: file}
	m := Model{Name: r.String(), Path: p, Source: src.String(), Size: fi.Size()}
	// The blob's name is what the Hub announced, which the client that wrote it need not have checked.
	if blob, err := filepath.EvalSymlinks(p); err == nil && isSHA256(filepath.Base(blob)) {
		m.Digest = filepath.Base(blob)
	}
	return m, true
}

// link makes a blob visible as a file of a commit, and the commit as the state of a revision.
func (c hubCache) link(repo, rev, commit, file, sha string) (string, error) {
	p := c.snapshot(repo, commit, file)
	blob := c.blob(repo, sha)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return "", err
	}
	if !sameFile(p, blob) {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		rel, err := filepath.Rel(filepath.Dir(p), blob)
		if err != nil {
			return "", err
		}
		// Windows lets only some users make symbolic links.
		if err := os.Symlink(rel, p); err != nil && os.Link(blob, p) != nil {
			return "", err
		}
	}
	if rev != commit {
		ref := c.ref(repo, rev)
		if err := os.MkdirAll(filepath.Dir(ref), 0o755); err != nil {
			return "", err
		}
		if err := atomicfile.WriteBytes(ref, 0o644, []byte(commit)); err != nil {
			return "", err
		}
	}
	return p, nil
}

// remove deletes a file that mica put into the cache: its link, and its blob unless another
// commit has a link to it.
func (c hubCache) remove(m manifest) error {
	src, err := parseForm(m.Source)
	if err != nil || src.Kind != Hub {
		return fmt.Errorf("manifest has the source %q", m.Source)
	}
	blob := c.blob(src.Name, m.SHA256)
	used := false
	snapshots := filepath.Join(c.repo(src.Name), "snapshots")
	err = filepath.WalkDir(snapshots, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && p != m.File && sameFile(p, blob) {
			used = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	doomed := []string{m.File}
	if !used {
		doomed = append(doomed, blob)
	}
	for _, p := range doomed {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Folders that are empty now; the others refuse, as they should.
	for dir := path.Dir(src.File); dir != "."; dir = path.Dir(dir) {
		os.Remove(c.snapshot(src.Name, src.Rev, dir))
	}
	os.Remove(c.snapshot(src.Name, src.Rev, ""))
	return nil
}

func sameFile(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return false
	}
	fb, err := os.Stat(b)
	return err == nil && os.SameFile(fa, fb)
}
