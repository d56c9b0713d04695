//go:build !amd64

package conv

import "github.com/micaml/mica/internal/cpu"

func tier(cpu.Tier) *kernels { return &plain }
