//go:build !amd64

package norm

import "github.com/micaml/mica/internal/cpu"

func tier(cpu.Tier) *kernels { return &plain }
