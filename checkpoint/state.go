package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/micaml/mica/format/safetensors"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// State is what a training consists of. Save reads it, and Load sets it, so the
// same value serves both.
type State struct {
	// Weights are those that are trained. Frozen ones can be had from where they came.
	Weights []*op.Weight
	// Parts are the optimizers, averages, sums and tables, by names of their own.
	Parts map[string]Part
	// Loop points to whatever else the next step depends on, such as the counters of
	// random streams and the position in the data, and to metrics so far. It is kept
	// as encoding/json writes it; fields that it doesn't export are lost. It may be nil.
	Loop any
}

// Part is something besides the weights that training changes: optim's Optimizer,
// Groups, Average and Sum are some. Restore copies a state that State of the same
// kind of part gave.
type Part interface {
	State() optim.State
	Restore(optim.State) error
}

// source is a file to be written.
type source struct {
	name     string
	metadata map[string]string
	tensors  []safetensors.Tensor
	data     [][]byte
}

func (s *source) write(w io.Writer) error {
	return safetensors.Write(w, s.metadata, s.tensors, func(i int) []byte { return s.data[i] })
}

func (s *source) add(name string, t safetensors.Type, data []byte, shape ...uint64) {
	s.tensors = append(s.tensors, safetensors.Tensor{Name: name, Type: t, Shape: shape})
	s.data = append(s.data, data)
}

// stepsKey is the metadata of a part's file that holds State.Steps.
const stepsKey = "steps"

// sources returns the files of s, and its loop as JSON. The data is not copied.
func (s *State) sources() ([]source, []byte, error) {
	w := source{name: weightsName + extension}
	for _, x := range s.Weights {
		t, err := safetensors.TypeOf(x.DType)
		if err != nil {
			return nil, nil, fmt.Errorf("weight %q is %v, which is not for training: leave frozen weights out", x.Name, x.DType)
		}
		w.add(x.Name, t, x.Bytes(), uint64(x.Rows), uint64(x.Cols))
	}
	all := []source{w}
	for _, name := range slices.Sorted(maps.Keys(s.Parts)) {
		if !plainName(name) || name == weightsName {
			return nil, nil, fmt.Errorf("part %q: use a name of letters, digits, '-' and '_' other than %q", name, weightsName)
		}
		state := s.Parts[name].State()
		p := source{name: name + extension, metadata: map[string]string{stepsKey: strconv.Itoa(state.Steps)}}
		for _, x := range state.Slots {
			if x.Bytes != nil {
				p.add(x.Name, safetensors.U8, x.Bytes, uint64(len(x.Bytes)))
			} else {
				p.add(x.Name, safetensors.F32, bytesOf(x.Data), uint64(len(x.Data)))
			}
		}
		all = append(all, p)
	}
	if len(all) > maxFiles {
		return nil, nil, fmt.Errorf("%d parts exceed the limit of %d", len(all)-1, maxFiles-1)
	}
	loop, err := json.Marshal(s.Loop)
	if err != nil {
		return nil, nil, fmt.Errorf("loop: %w", err)
	}
	if len(loop) > maxManifest/2 {
		return nil, nil, fmt.Errorf("loop of %d bytes exceeds the limit of %d: keep large tables as a Part", len(loop), maxManifest/2)
	}
	return all, loop, nil
}

func bytesOf(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return tensor.FromFloat32(1, len(x), x).Bytes()
}

// weights views the weights of a file, in the order of s.Weights, if they are
// exactly these.
func (s *State) weights(f *safetensors.File, b []byte) ([]*tensor.Storage, error) {
	all := make([]*tensor.Storage, len(s.Weights))
	known := map[string]bool{}
	for i, w := range s.Weights {
		known[w.Name] = true
		here := fmt.Sprintf("%v [%d, %d]", w.DType, w.Rows, w.Cols)
		t, ok := f.Tensor(w.Name)
		if !ok {
			return nil, fmt.Errorf("weight %q, here %s, isn't in it", w.Name, here)
		}
		x, err := f.Storage(b, t)
		if err != nil || len(t.Shape) != 2 || x.DType != w.DType || x.Rows != w.Rows || x.Cols != w.Cols {
			return nil, fmt.Errorf("weight %q is %s here and %v %s in it", w.Name, here, t.Type, shape(t.Shape))
		}
		all[i] = x
	}
	for _, t := range f.Tensors {
		if !known[t.Name] {
			return nil, fmt.Errorf("it has a weight %q, %v %s, which isn't here", t.Name, t.Type, shape(t.Shape))
		}
	}
	return all, nil
}

// part reads a part's state from a file, if it has exactly the slots of own.
func part(own optim.State, f *safetensors.File, b []byte) (optim.State, error) {
	var s optim.State
	text := f.Metadata[stepsKey]
	steps, err := strconv.Atoi(text)
	if err != nil || steps < 0 || strconv.Itoa(steps) != text {
		return s, fmt.Errorf("steps %.40q are no count", text)
	}
	s.Steps = steps
	known := map[string]bool{}
	for _, x := range own.Slots {
		known[x.Name] = true
		want, n := safetensors.F32, len(x.Data)
		if x.Bytes != nil {
			want, n = safetensors.U8, len(x.Bytes)
		}
		t, ok := f.Tensor(x.Name)
		if !ok {
			return s, fmt.Errorf("state %q, here %v [%d], isn't in it", x.Name, want, n)
		}
		if t.Type != want || len(t.Shape) != 1 || t.Shape[0] != uint64(n) {
			return s, fmt.Errorf("state %q is %v [%d] here and %v %s in it", x.Name, want, n, t.Type, shape(t.Shape))
		}
		slot := optim.Slot{Name: x.Name}
		if x.Bytes != nil {
			slot.Bytes = b[t.Offset : t.Offset+t.Size]
		} else if n > 0 {
			data, err := f.Storage(b, t)
			if err != nil {
				return s, err
			}
			slot.Data, _ = data.F32()
		}
		s.Slots = append(s.Slots, slot)
	}
	for _, t := range f.Tensors {
		if !known[t.Name] {
			return s, fmt.Errorf("it has a state %q, %v %s, which isn't here", t.Name, t.Type, shape(t.Shape))
		}
	}
	return s, nil
}

// shape writes "[64, 32]".
func shape(dims []uint64) string {
	var b bytes.Buffer
	for i, d := range dims {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(d, 10))
	}
	return "[" + b.String() + "]"
}
