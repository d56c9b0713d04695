//go:build !amd64

package qgemm

import "github.com/micaml/mica/internal/cpu"

func quantizeRowTo(_ cpu.Tier, x []float32, step int, q []int8, d, s []float32, bias, halves []int32) {
	quantizeGo(x, step, q, d, s, bias, halves)
}

func (t *mulTask) units(work *scratch, lo, hi int) { t.unitsGo(work, lo, hi) }
