package lora

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/internal/atomicfile"
)

// The files of a folder.
const (
	configFile  = "adapter_config.json"
	weightsFile = "adapter_model.safetensors"
)

// ErrNoNames says that PEFT couldn't know what the adapter is for.
var ErrNoNames = errors.New("lora: transformers has no names for the maps of this network, so the adapter can't be saved for PEFT")

// Save writes the adapter into a folder as PEFT does, in float32: adapter_config.json
// and adapter_model.safetensors. The folder is made if it isn't there.
func (a *Adapter) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("lora: %w", err)
	}
	config, err := a.config()
	if err != nil {
		return fmt.Errorf("lora: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(dir, weightsFile), 0o644, a.write); err != nil {
		return fmt.Errorf("lora: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, configFile), 0o644, config); err != nil {
		return fmt.Errorf("lora: %w", err)
	}
	return nil
}

// write writes the weights.
func (a *Adapter) write(w io.Writer) error {
	var list []safetensors.Tensor
	var data [][]byte
	for _, p := range a.products {
		if p.module == "" {
			return ErrNoNames
		}
		rank, in := uint64(p.a.Rows), uint64(p.a.Cols)
		list = append(list,
			safetensors.Tensor{Name: prefix + p.module + lowA, Type: safetensors.F32, Shape: []uint64{rank, in}},
			safetensors.Tensor{Name: prefix + p.module + lowB, Type: safetensors.F32, Shape: []uint64{uint64(p.outs), rank}})
		b := make([]float32, p.outs*p.a.Rows) // outputs that no branch has stay 0
		for _, part := range p.branches {
			x, _ := part.b.F32()
			for i := range part.out {
				copy(b[part.output(i)*p.a.Rows:], x[i*p.a.Rows:(i+1)*p.a.Rows])
			}
		}
		x, _ := p.a.F32()
		data = append(data, littleEndian(x), littleEndian(b))
	}
	return safetensors.Write(w, map[string]string{"format": "pt"}, list, func(i int) []byte { return data[i] })
}

// output returns which of the module's outputs is output i of the map.
func (b *branch) output(i int) int {
	if b.outputs == nil {
		return i
	}
	return int(b.outputs[i])
}

func littleEndian(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
