package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/micaml/mica/learn/lora"
	"github.com/micaml/mica/model/lm"
)

// adapterInfo tells of the adapter on a model.
type adapterInfo struct {
	Folder     string  `json:"folder"`
	Base       string  `json:"base_model"` // the name that its adapter_config.json has
	Rank       int     `json:"rank"`
	Alpha      float64 `json:"alpha"`
	Parameters int64   `json:"parameters"`
}

// adapt puts the adapter of --adapter on a model; without one it returns nil.
func (c *call) adapt(m *model) (*adapterInfo, error) {
	dir := c.set.adapter
	if dir == "" {
		return nil, nil
	}
	start := time.Now()
	a, err := lora.Load(m.Net, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing("name a folder with adapter_config.json and adapter_model.safetensors", "--adapter %s: %w", quoted(dir), plainly(err))
	case errors.Is(err, lora.ErrMismatch):
		return nil, failed("give the model that it was trained on", "--adapter: %w", err)
	case err != nil:
		return nil, failed("it must be a LoRA adapter as PEFT saves it", "--adapter: %w", err)
	}
	over, err := a.Net(m.Net)
	if err != nil {
		return nil, failed("give the model that it was trained on", "--adapter: %w", err)
	}
	net, ok := over.(*lm.Decoder)
	if !ok {
		return nil, fmt.Errorf("--adapter: the overlay of a decoder is a %T", over)
	}
	m.Net = net
	m.load += time.Since(start)
	s := a.Settings()
	if c.set.verbose {
		var roles []string
		for _, r := range s.Roles {
			roles = append(roles, r.String())
		}
		c.note("adapter   rank %d on %s, %s numbers", s.Rank, strings.Join(roles, ", "), count(int(a.Parameters())))
	}
	return &adapterInfo{Folder: dir, Base: a.Base, Rank: s.Rank, Alpha: s.Alpha, Parameters: a.Parameters()}, nil
}

// plainly leaves the system call out of an error about a file.
func plainly(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}
