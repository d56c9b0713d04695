//go:build !amd64

package pool

import "github.com/micaml/mica/internal/cpu"

func tier(cpu.Tier) *kernels { return &plain }
