//go:build !amd64

package act

import "github.com/micaml/mica/internal/cpu"

func tier(cpu.Tier) *kernels { return &plain }
