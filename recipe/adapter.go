package recipe

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/train"
)

// adapters is the grammar of adapters, which is learn/lora's own.
type adapters struct{}

func (adapters) check(s string) error {
	if s == "" {
		return nil
	}
	_, err := lora.Parse(s, 1<<16) // how many layers there are is seen later
	return err
}

func (adapters) names() []string  { return []string{"lora"} }
func (adapters) usages() []string { return []string{lora.Usage + " (low-rank adaptation)"} }
func (adapters) free() bool       { return false }

// adapterGroup is the group of an adapter's weights.
const adapterGroup = "adapter"

// adapterFolder is where an adapter is saved in the folder of a training.
const adapterFolder = "adapter"

// adapt puts a new adapter on the model.
func (j *Job) adapt() error {
	r, base := j.Recipe, j.model.Net
	s, err := lora.Parse(r.Adapter, len(base.Layers()))
	if err != nil {
		return err
	}
	if j.adapter, err = lora.New(base, s, rand.New(rand.NewPCG(r.Seed, streamAdapter))); err != nil {
		return err
	}
	j.adapter.Base = r.Network.Path
	net, err := j.adapter.Net(base)
	if err != nil {
		return err
	}
	j.net = overlay{net, append(j.adapter.Weights(), base.Weights()...)}
	return nil
}

// overlay is a network with an adapter: all weights are those of both.
type overlay struct {
	pass.Net
	weights []*op.Weight
}

func (o overlay) Weights() []*op.Weight { return o.weights }

// adapted is the task of a language model with an adapter.
type adapted struct {
	language
	adapter *lora.Adapter
}

func (t adapted) Loss(c *op.Ctx, b *dataset.Batch, s train.Step) ([]train.Term, error) {
	return lora.Task{Task: t.language, Adapter: t.adapter}.Loss(c, b, s)
}

// writeAdapter writes the adapter into the folder.
func (r *Run) writeAdapter() ([]string, error) {
	if err := r.job.adapter.Save(filepath.Join(r.folder, adapterFolder)); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return []string{adapterFolder + "/adapter_config.json", adapterFolder + "/adapter_model.safetensors"}, nil
}
