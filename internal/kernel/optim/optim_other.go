//go:build !amd64

package optim

import "github.com/micaml/mica/internal/cpu"

func tier(cpu.Tier) *kernels { return &plain }
