package tensor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestMapping(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("mica "), 5000)
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) (*Mapping, error){"map": OpenMapping, "copy": OpenCopy} {
		t.Run(name, func(t *testing.T) {
			m, err := open(path)
			if err != nil {
				t.Fatal(err)
			}
			if m.Len() != len(content) || !bytes.Equal(m.Bytes(), content) {
				t.Errorf("%d bytes differ from the %d of the file", m.Len(), len(content))
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if m.Bytes() != nil || m.Len() != 0 {
				t.Error("bytes remain after Close")
			}
			if err := m.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}

			m, err = open(empty)
			if err != nil || m.Len() != 0 {
				t.Errorf("empty file: %v, %v", m, err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if _, err := open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("missing file: %v", err)
			}
			var pe *fs.PathError
			if _, err := open(dir); !errors.As(err, &pe) || pe.Path != dir {
				t.Errorf("directory: %v", err)
			}
		})
	}
}

// TestOpenCopySurvivesTruncation is what OpenCopy is for; with OpenMapping the
// same read would be a fault.
func TestOpenCopySurvivesTruncation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte{7}, 1<<16)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := OpenCopy(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Bytes(), content) {
		t.Error("the copy changed with the file")
	}
}
