package lora

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

const maxConfig = 1 << 20 // bytes of adapter_config.json

// Load reads an adapter of network n from a folder of PEFT's. Its weights are copied
// and become float32. An error names the file and the key or tensor at fault; it wraps
// [ErrMismatch] if the adapter is sound but of another network.
func Load(n pass.Net, dir string) (*Adapter, error) {
	path := filepath.Join(dir, configFile)
	config, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	s, base, err := readConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, weightsFile)
	m, err := tensor.OpenMapping(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(filepath.Join(dir, "adapter_model.bin")); e == nil {
			return nil, fmt.Errorf("%s: %w: there is an adapter_model.bin, which can run code: save it again with safe_serialization=True", path, fs.ErrNotExist)
		}
	}
	if err != nil {
		return nil, err
	}
	defer m.Close()
	a, err := load(n, s, m.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a.Base = base
	return a, nil
}

// readSmall reads adapter_config.json.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("%s: not a file of at most %d bytes", path, maxConfig)
	}
	return os.ReadFile(path)
}

// pair is the tensors of a module.
type pair struct{ a, b *safetensors.Tensor }

// load makes an adapter of a file's bytes.
func load(n pass.Net, s Settings, data []byte) (*Adapter, error) {
	names, ok := n.(Named)
	if !ok {
		return nil, ErrNoNames
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	at := places(n, names)
	pairs, err := pairsOf(f, at)
	if err != nil {
		return nil, err
	}
	var found []place
	for module := range pairs {
		found = append(found, at[module]...)
	}
	slices.SortFunc(found, func(p, q place) int {
		if p.layer != q.layer {
			return p.layer - q.layer
		}
		return int(p.role) - int(q.role)
	})
	s.Layers, s.Roles = nil, nil
	for _, p := range found {
		if !slices.Contains(s.Roles, p.role) {
			s.Roles = append(s.Roles, p.role)
		}
		if p.layer < len(n.Layers()) && !slices.Contains(s.Layers, p.layer) {
			s.Layers = append(s.Layers, p.layer)
		}
	}
	a := assemble(n, s, found)
	for _, p := range a.products {
		if err := p.read(f, data, pairs[p.module], s.Rank); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// pairsOf sorts a file's tensors by module. Some leave out the first part of a module's
// name: they were made beside a network without its head.
func pairsOf(f *safetensors.File, at map[string][]place) (map[string]pair, error) {
	short := map[string]string{}
	for module := range at {
		if _, rest, ok := strings.Cut(module, "."); ok {
			short[rest] = module
		}
	}
	pairs := map[string]pair{}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		name, ok := strings.CutPrefix(t.Name, prefix)
		module, isA := strings.CutSuffix(name, lowA)
		module, isB := strings.CutSuffix(module, lowB)
		switch {
		case !ok || isA == isB:
			return nil, fmt.Errorf("tensor %q: %s", t.Name, strange(t.Name))
		case at[module] == nil && short[module] != "":
			module = short[module]
		case at[module] == nil:
			return nil, fmt.Errorf("%w: tensor %q: the network has no %q", ErrMismatch, t.Name, module)
		}
		p := pairs[module]
		if isA && p.a != nil || isB && p.b != nil {
			return nil, fmt.Errorf("tensor %q: the module has another one already", t.Name)
		}
		if isA {
			p.a = t
		} else {
			p.b = t
		}
		pairs[module] = p
	}
	if len(pairs) == 0 {
		return nil, errors.New("no tensors")
	}
	for _, t := range f.Tensors {
		module := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(t.Name, prefix), lowA), lowB)
		if at[module] == nil {
			module = short[module]
		}
		if p := pairs[module]; p.a == nil || p.b == nil {
			return nil, fmt.Errorf("tensor %q: its other half is missing", t.Name)
		}
	}
	return pairs, nil
}

// strange says what a tensor is that is no A or B.
func strange(name string) string {
	switch {
	case strings.Contains(name, "lora_embedding_"):
		return "adapters of embeddings are not supported"
	case strings.Contains(name, "lora_magnitude_vector"):
		return "DoRA's magnitudes are not supported"
	case strings.HasSuffix(name, ".base_layer.weight"):
		return "a copy of the base's weights: save the adapter with save_embedding_layers=False"
	case strings.Contains(name, "lora_"):
		return "not supported; " + prefix + "MODULE" + lowA + " and " + lowB[1:] + " are"
	}
	return "whole modules in an adapter are not supported"
}

// read reads A and B of a module.
func (p *product) read(f *safetensors.File, data []byte, have pair, rank int) error {
	in := p.branches[0].in
	for _, t := range []struct {
		*safetensors.Tensor
		rows, cols int
	}{{have.a, rank, in}, {have.b, p.outs, rank}} {
		want := []uint64{uint64(t.rows), uint64(t.cols)}
		if !slices.Equal(t.Shape, want) {
			return fmt.Errorf("%w: tensor %q: shape %d, and rank %d of a %d x %d map needs %d", ErrMismatch, t.Name, t.Shape, rank, p.outs, in, want)
		}
	}
	a, err := floats(f, data, have.a)
	if err != nil {
		return err
	}
	all, err := floats(f, data, have.b)
	if err != nil {
		return err
	}
	p.a = op.NewWeight(p.name()+".lora_A", tensor.FromFloat32(rank, in, a))
	for _, b := range p.branches {
		x := make([]float32, b.out*rank)
		for i := range b.out {
			copy(x[i*rank:(i+1)*rank], all[b.output(i)*rank:])
		}
		b.b = op.NewWeight(b.name+".lora_B", tensor.FromFloat32(b.out, rank, x))
	}
	return nil
}

// floats returns a copy of a tensor in float32.
func floats(f *safetensors.File, data []byte, t *safetensors.Tensor) ([]float32, error) {
	s, err := f.Storage(data, *t)
	if err != nil {
		return nil, err
	}
	switch s.DType {
	case tensor.F32, tensor.F16, tensor.BF16:
	default:
		return nil, fmt.Errorf("tensor %q: type %v: not supported; supported are F32, F16, BF16", t.Name, s.DType)
	}
	x := make([]float32, s.Rows*s.Cols)
	for i := range s.Rows {
		if err := s.DequantRow(i, x[i*s.Cols:(i+1)*s.Cols]); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	for _, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("tensor %q: has a number that is not finite", t.Name)
		}
	}
	return x, nil
}
