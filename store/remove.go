package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// A Removal says what removing a model does.
type Removal struct {
	Model Model    // zero if only the remains of one are there
	Files []string // what is deleted: files, and links in the Hub's cache
	Bytes int64    // what that frees
	Kept  []string // what stays, each with the reason
}

// A removal is a Removal with what carries it out. Names are slash-separated and relative to the
// two folders that anything is ever deleted in: the store's models, and the Hub's cache.
type removal struct {
	Removal
	slug  string
	repo  string   // in the Hub's cache
	links []string // in the Hub's cache
	blobs []string // names of blobs of the repository
}

// Removal tells what Remove would do, and does nothing.
func (s *Store) Removal(name string) (Removal, error) {
	r, err := s.removal(name)
	return r.Removal, wrap(name, err)
}

// Remove deletes the model with this name from the disk. Files in the Hub's shared cache are
// deleted only if mica fetched them and nothing else uses them. A file that was never
// pulled is not the store's to delete: naming one by its path is an error.
func (s *Store) Remove(name string) error {
	r, err := s.removal(name)
	if err != nil {
		return wrap(name, err)
	}
	unlock, err := s.tryLock(r.slug)
	if err != nil {
		return wrap(name, err)
	}
	defer unlock()
	if err := r.run(s); err != nil {
		return wrap(name, fmt.Errorf("remove: %w", err))
	}
	return nil
}

// removal plans the removal of the model with this name.
func (s *Store) removal(name string) (removal, error) {
	ref, err := ParseRef(name)
	if err != nil {
		return removal{}, err
	}
	if ref.Kind == Path {
		return removal{}, &Error{Ref: name, Err: errors.New("is a file outside the store"), Hint: "delete it yourself"}
	}
	m, err := s.find(ref)
	if errors.Is(err, ErrNotFound) {
		if dir := slug(ref.String()); exists(s.modelDir(dir)) { // damaged: the file or the manifest is gone
			m, err = manifest{slug: dir}, nil
		}
	}
	if err != nil {
		return removal{}, err
	}
	r := removal{slug: m.slug}
	r.Model = m.model(s.dir)
	dir := s.modelDir(m.slug)
	for _, f := range tree(dir) {
		r.delete(filepath.Join(dir, filepath.FromSlash(f)))
	}
	if filepath.IsAbs(m.File) {
		err = r.planHub(s, m)
	}
	return r, err
}

func (r *removal) delete(file string) {
	r.Files = append(r.Files, file)
	if fi, err := os.Lstat(file); err == nil && fi.Mode().IsRegular() {
		r.Bytes += fi.Size()
	}
}

func (r *removal) keep(file, why string) { r.Kept = append(r.Kept, file+" ("+why+")") }

// planHub decides about the files in the Hub's cache. Their paths are made from the source and not
// taken from the manifest.
func (r *removal) planHub(s *Store, m manifest) error {
	src, parts, err := m.files()
	if err != nil {
		return err
	}
	cache := s.env.cache
	r.repo = src.Name
	others := map[string]string{} // files of the store's other models
	all, _ := s.manifests()
	for _, o := range all {
		if o.slug == m.slug || !filepath.IsAbs(o.File) {
			continue
		}
		if osrc, oparts, err := o.files(); err == nil {
			for _, p := range oparts {
				others[cache.snapshot(osrc.Name, osrc.Rev, p.Name)] = o.Name
			}
		}
	}
	doomed := map[string]bool{}
	var mine []part
	for _, p := range parts {
		link := cache.snapshot(src.Name, src.Rev, p.Name)
		switch {
		case !exists(link):
			if !strings.HasPrefix(m.File, cache.root+string(filepath.Separator)) {
				r.keep(m.File, "in another cache than the one that HF_HUB_CACHE and HF_HOME name now")
			}
		case others[link] != "":
			r.keep(link, "belongs to "+others[link]+" too")
		case !p.Fetched:
			r.keep(link, "was in the Hub's cache before")
		default:
			doomed[link] = true
			mine = append(mine, p)
			r.links = append(r.links, path.Join(folder(src.Name), "snapshots", src.Rev, p.Name))
			r.delete(link)
		}
	}
	snapshots := filepath.Join(cache.repo(src.Name), "snapshots")
	seen := map[string]bool{}
	for _, p := range mine {
		blob := cache.blob(src.Name, p.Blob)
		if seen[blob] || !exists(blob) {
			continue
		}
		seen[blob] = true
		user := ""
		for _, f := range tree(snapshots) {
			if full := filepath.Join(snapshots, filepath.FromSlash(f)); !doomed[full] && sameFile(full, blob) {
				user = full
			}
		}
		if user != "" {
			r.keep(blob, "used by "+user)
			continue
		}
		r.blobs = append(r.blobs, p.Blob)
		r.delete(blob)
	}
	return nil
}

// run deletes. The manifest goes first: what is left after a crash is then no model. Everything happens
// below two opened folders, out of which no link leads.
func (r *removal) run(s *Store) error {
	models, err := os.OpenRoot(filepath.Join(s.dir, "models"))
	if err != nil {
		return err
	}
	defer models.Close()
	if err := models.Remove(path.Join(r.slug, manifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(r.links)+len(r.blobs) > 0 {
		if err := r.runHub(s.env.cache); err != nil {
			return err
		}
	}
	return models.RemoveAll(r.slug)
}

func (r *removal) runHub(cache hubCache) error {
	root, err := os.OpenRoot(cache.root)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, link := range r.links {
		if err := root.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Folders that are empty now; the others refuse, as they should.
		for dir := path.Dir(link); path.Base(dir) != "snapshots"; dir = path.Dir(dir) {
			root.Remove(dir)
		}
	}
	for _, blob := range r.blobs {
		if err := r.removeBlob(cache, root, blob); err != nil {
			return err
		}
	}
	return nil
}

// removeBlob deletes a blob unless another program is just fetching it.
func (r *removal) removeBlob(cache hubCache, root *os.Root, blob string) error {
	lockPath := cache.lock(r.repo, blob)
	if err := os.MkdirAll(filepath.Dir(lockPath), 0o755); err != nil {
		return err
	}
	lock := flock.New(lockPath)
	ok, err := lock.TryLock()
	if err == nil && !ok {
		err = errors.New("another process is using it")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cache.blob(r.repo, blob), err)
	}
	defer lock.Unlock()
	if err := root.Remove(path.Join(folder(r.repo), "blobs", blob)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// inherit makes the store the owner of files that it has already fetched for another of its models.
func (s *Store) inherit(m *manifest) {
	if !filepath.IsAbs(m.File) {
		return
	}
	src, _, err := m.files()
	if err != nil {
		return
	}
	fetched := map[string]bool{}
	all, _ := s.manifests()
	for _, o := range all {
		if osrc, parts, err := o.files(); err == nil && osrc.Name == src.Name {
			for _, p := range parts {
				fetched[p.Blob] = fetched[p.Blob] || p.Fetched
			}
		}
	}
	m.Fetched = m.Fetched || fetched[first(m.Blob, m.SHA256)]
	for i := range m.Parts {
		m.Parts[i].Fetched = m.Parts[i].Fetched || fetched[m.Parts[i].Blob]
	}
}
