package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

// manifestName is the file that makes a folder a model.
const manifestName = "manifest.json"

// manifestVersion is the layout that this program writes. A newer one is refused, not guessed at.
const manifestVersion = 1

// maxManifest bounds what is read: a manifest has a few hundred bytes, and as many for each file of a model of several.
const maxManifest = 1 << 20

// A manifest is what the store knows of one model.
type manifest struct {
	Version  int       `json:"version"`
	Name     string    `json:"name"`
	Source   string    `json:"source"`             // with the commit or version that was fetched
	Revision string    `json:"revision,omitempty"` // Hub: the branch or tag that was asked for
	File     string    `json:"file"`               // base name in the model's folder, or an absolute path in the Hub's cache: a file, or a folder with Parts
	SHA256   string    `json:"sha256"`             // of the file, or of the list of Parts
	Size     int64     `json:"size"`
	License  string    `json:"license,omitempty"`
	Pulled   time.Time `json:"pulled"`
	Fetched  bool      `json:"fetched,omitempty"` // Hub: this store put the file into the shared cache
	Blob     string    `json:"blob,omitempty"`    // Hub: the blob's name, if it isn't SHA256
	Parts    []part    `json:"parts,omitempty"`   // Hub: the files of a model of several, by name

	slug string // the folder's name
}

// A part is one file of a model of several.
type part struct {
	Name    string `json:"name"` // in the model's folder, with slashes
	SHA256  string `json:"sha256"`
	Blob    string `json:"blob"` // its name in the Hub's cache: the announced checksum
	Size    int64  `json:"size"`
	Fetched bool   `json:"fetched,omitempty"`
}

// files are the model's files in the Hub's cache, named as in the repository.
func (m manifest) files() (src Ref, parts []part, err error) {
	src, err = parseForm(m.Source)
	if err != nil || src.Kind != Hub || !hubCommit.MatchString(src.Rev) {
		return Ref{}, nil, fmt.Errorf("manifest has the source %q", m.Source)
	}
	if len(m.Parts) == 0 {
		return src, []part{{Name: src.File, SHA256: m.SHA256, Blob: first(m.Blob, m.SHA256), Size: m.Size, Fetched: m.Fetched}}, nil
	}
	for _, p := range m.Parts {
		p.Name = path.Join(patternDir(first(src.File, "*")), p.Name)
		parts = append(parts, p)
	}
	return src, parts, nil
}

// slug turns a model's name into the name of its folder and lock. Short names are kept as they are; others
// get a piece of their hash, since letters that file systems forbid or fold are lost.
func slug(name string) string {
	if _, ok := builtins[name]; ok {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '=', r == '_', r == '-':
			return r
		}
		return '-'
	}, name)
	return fmt.Sprintf("%.100s-%x", safe, sum[:4])
}

func (s *Store) modelDir(slug string) string { return filepath.Join(s.dir, "models", slug) }

// manifest reads the manifest in one folder. A model that was never pulled, or whose file has
// gone or changed size since, is ErrNotFound: pulling it is the cure for all of these.
func (s *Store) manifest(slug string) (manifest, error) {
	dir := s.modelDir(slug)
	f, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return manifest{}, ErrNotFound
	}
	if err != nil {
		return manifest{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return manifest{}, err
	}
	m := manifest{slug: slug}
	if err := m.decode(b); err != nil {
		return manifest{}, &Error{Ref: f.Name(), Err: err, Hint: "delete the folder " + dir + " and pull the model again"}
	}
	if !m.whole(s.dir) {
		return manifest{}, ErrNotFound
	}
	return m, nil
}

// whole says whether all files are there with the sizes that they had.
func (m *manifest) whole(storeDir string) bool {
	at := m.path(storeDir)
	if len(m.Parts) == 0 {
		fi, err := os.Stat(at)
		return err == nil && fi.Size() == m.Size
	}
	for _, p := range m.Parts {
		if fi, err := os.Stat(filepath.Join(at, filepath.FromSlash(p.Name))); err != nil || fi.Size() != p.Size {
			return false
		}
	}
	return true
}

func (m *manifest) decode(b []byte) error {
	if len(b) > maxManifest {
		return errors.New("manifest is too large")
	}
	if err := json.Unmarshal(b, m); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if m.Version != manifestVersion {
		return fmt.Errorf("manifest has version %d, this mica reads %d", m.Version, manifestVersion)
	}
	if !filepath.IsAbs(m.File) && (localName(m.File) != nil || strings.Contains(m.File, "/")) {
		return fmt.Errorf("manifest names an unsafe file %q", m.File)
	}
	if !isSHA256(m.SHA256) || m.Name == "" {
		return errors.New("manifest is incomplete")
	}
	if m.Blob != "" && !checksum(m.Blob).valid() {
		return fmt.Errorf("manifest names an unsafe blob %q", m.Blob)
	}
	for _, p := range m.Parts {
		if localName(p.Name) != nil || !isSHA256(p.SHA256) || !checksum(p.Blob).valid() {
			return fmt.Errorf("manifest names an unsafe file %q", p.Name)
		}
	}
	return nil
}

// manifests reads all of them. Errors are joined; what could be read is given all the same.
func (s *Store) manifests() ([]manifest, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "models"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []manifest
	var errs []error
	for _, e := range entries {
		m, err := s.manifest(e.Name())
		switch {
		case err == nil:
			all = append(all, m)
		case !errors.Is(err, ErrNotFound):
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

// satisfies says whether the model's source is what r asks for.
func (m manifest) satisfies(r Ref) bool {
	src, err := parseForm(m.Source)
	if err != nil || src.Kind != r.Kind || src.Name != r.Name || r.File != "" && src.File != r.File {
		return false
	}
	if r.Kind == Hub {
		return src.Rev == r.Rev || m.Revision == first(r.Rev, "main")
	}
	return src.Rev == r.Rev
}

func (m manifest) path(storeDir string) string {
	if filepath.IsAbs(m.File) {
		return m.File
	}
	return filepath.Join(storeDir, "models", m.slug, m.File)
}

func (m manifest) model(storeDir string) Model {
	if m.Name == "" { // the zero manifest that comes with an error
		return Model{}
	}
	return Model{Name: m.Name, Path: m.path(storeDir), Digest: m.SHA256, Source: m.Source,
		Size: m.Size, License: m.License, Pulled: m.Pulled}
}

// write puts the manifest into the model's folder: the step that makes it a model.
func (m manifest) write(s *Store) error {
	m.Version = manifestVersion
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(s.modelDir(m.slug), manifestName), 0o644, append(b, '\n'))
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}
