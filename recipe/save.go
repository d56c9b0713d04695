package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
)

// textFiles are what a folder of transformers holds besides weights.
var textFiles = []string{"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}

func writeFile(path string, b []byte) error { return atomicfile.WriteBytes(path, 0o644, b) }

// write writes the result of a training into its folder.
func (r *Run) write() (files []string, err error) {
	if files, err = r.Report(); err != nil {
		return nil, err
	}
	j := r.job
	var more []string
	err = j.kept(func() error {
		switch {
		case j.adapter != nil:
			more, err = r.writeAdapter()
			return err
		case j.model != nil && j.model.Format == "gguf":
			more = []string{"model.gguf"}
			return r.writeWith("model.gguf", j.writeGGUF)
		case j.data.text:
			more, err = r.writeFolder(j.net.(*lm.Decoder))
			return err
		}
		more = []string{WeightsFile}
		return r.writeWith(WeightsFile, j.writeWeights)
	})
	return append(files, more...), err
}

func (r *Run) writeWith(name string, write func(io.Writer) error) error {
	return atomicfile.Write(filepath.Join(r.folder, name), 0o644, write)
}

// writeFolder writes a language model as transformers saves it.
func (r *Run) writeFolder(n *lm.Decoder) ([]string, error) {
	j := r.job
	config, err := n.ConfigJSON(j.words.bpe.EOS())
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{"config.json": config}
	if j.model == nil {
		all["tokenizer.json"] = j.words.file
		all["tokenizer_config.json"] = j.words.settings()
	} else {
		for _, name := range textFiles {
			b, err := os.ReadFile(filepath.Join(j.folder(), name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if err == nil {
				all[name] = b
			}
		}
	}
	files := []string{WeightsFile}
	for name, b := range all {
		if err := writeFile(filepath.Join(r.folder, name), b); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	slices.Sort(files)
	return files, r.writeWith(WeightsFile, n.WriteWeights)
}

// folder is where the model's files are.
func (j *Job) folder() string {
	if info, err := os.Stat(j.from); err == nil && info.IsDir() {
		return j.from
	}
	return filepath.Dir(j.from)
}

// writeWeights writes a classifier: its weights by their names, and the running
// statistics of batch norms.
func (j *Job) writeWeights(w io.Writer) error {
	var list []safetensors.Tensor
	var data [][]byte
	add := func(x *op.Weight) error {
		typ, err := safetensors.TypeOf(x.DType)
		if err != nil {
			return fmt.Errorf("weight %q: %w", x.Name, err)
		}
		shape := []uint64{uint64(x.Rows), uint64(x.Cols)}
		if x.Rows == 1 {
			shape = shape[1:]
		}
		list, data = append(list, safetensors.Tensor{Name: x.Name, Type: typ, Shape: shape}), append(data, x.Bytes())
		return nil
	}
	for _, x := range j.net.Weights() {
		if err := add(x); err != nil {
			return err
		}
	}
	if t, ok := j.task.(classifier); ok {
		if p := t.Parts()["statistics"]; p != nil {
			for _, s := range p.State().Slots {
				if err := add(asWeight(s)); err != nil {
					return err
				}
			}
		}
	}
	return safetensors.Write(w, map[string]string{"recipe": string(j.Recipe.JSON())}, list, func(i int) []byte { return data[i] })
}

// canSave checks that what is trained of a model can be written, before it is trained.
func (j *Job) canSave() error {
	if j.model.Format != "gguf" {
		if err := j.model.Net.CanWriteFolder(); err != nil {
			return fmt.Errorf("network.path: %w; a GGUF file of it can be trained", err)
		}
		return nil
	}
	f, err := j.parseGGUF()
	if err != nil {
		return err
	}
	for _, w := range j.net.Weights() {
		if !slices.ContainsFunc(f.Tensors, func(t gguf.Tensor) bool { return t.Name == w.Name }) {
			return fmt.Errorf("network.path: %s keeps %s in a tensor with others, which can't be trained yet", j.from, w.Name)
		}
	}
	return nil
}

func (j *Job) parseGGUF() (*gguf.File, error) {
	b, err := os.Open(j.from)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	info, err := b.Stat()
	if err != nil {
		return nil, err
	}
	f, err := gguf.Parse(b, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.from, err)
	}
	return f, nil
}

// writeGGUF writes the model's own file with the weights as they are now.
func (j *Job) writeGGUF(w io.Writer) error {
	f, err := j.parseGGUF()
	if err != nil {
		return err
	}
	weights := map[string]*op.Weight{}
	for _, x := range j.net.Weights() {
		weights[x.Name] = x
	}
	var tied bytes.Buffer // the bytes of tensors that aren't weights, one at a time
	old, err := os.Open(j.from)
	if err != nil {
		return err
	}
	defer old.Close()
	from := slices.Clone(f.Tensors)
	for i := range f.Tensors {
		if x := weights[f.Tensors[i].Name]; x != nil {
			if f.Tensors[i].Type, err = gguf.TypeOf(x.DType); err != nil {
				return err
			}
		}
	}
	var failed error
	err = gguf.Encode(w, f, func(i int) []byte {
		if x := weights[f.Tensors[i].Name]; x != nil {
			return x.Bytes()
		}
		tied.Reset()
		if _, err := io.Copy(&tied, io.NewSectionReader(old, int64(from[i].Offset), int64(from[i].Size))); err != nil && failed == nil {
			failed = err
		}
		return tied.Bytes()
	})
	return errors.Join(failed, err)
}
