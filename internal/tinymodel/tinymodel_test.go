package tinymodel_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/micaml/mica/internal/tinymodel"
	"github.com/micaml/mica/model/lm"
)

// The file is a model that opens, with every part in use, and is the same
// each time.
func TestModel(t *testing.T) {
	a, err := tinymodel.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := tinymodel.Encode()
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two models differ (%v)", err)
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := tinymodel.Write(path); err != nil {
		t.Fatal(err)
	}
	m, err := lm.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Template == nil || m.Net.Config != tinymodel.Config {
		t.Errorf("template %v, config %+v", m.Template, m.Net.Config)
	}
	if n := len(m.Tokenizer.Missing()); n != 0 {
		t.Errorf("the vocabulary lacks %d bytes", n)
	}
	if id := m.Text(" Paris"); len(id) != 1 {
		t.Errorf(`" Paris" is %d tokens`, len(id))
	}
}
