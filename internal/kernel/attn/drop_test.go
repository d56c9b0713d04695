package attn

import (
	"math/rand/v2"
	"testing"

	"github.com/micaml/mica/internal/kerneltest"
	"github.com/micaml/mica/tensor"
)

// Drop moves every bit behind the entry, across blocks, and no other.
func TestDrop(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, kind := range kinds {
		for _, dim := range []int{1, 20, 64} {
			for _, n := range []int{1, 2, 63, 64, 65, 128, 129, 200} {
				for _, i := range []int{0, 1, n / 2, 62, 63, 64, n - 2, n - 1} {
					if i < 0 || i >= n {
						continue
					}
					p := newProblem(r, dim, 1, n, 0, kind, true, 0)
					var stash Stash
					p.kv.Save(&stash, n-1)
					p.kv.Save(&stash, i)
					p.kv.Drop(i, n)
					k, v := make([]float32, dim), make([]float32, dim)
					for j := range n - 1 {
						from := j
						if j >= i {
							from++
						}
						p.kv.Get(j, k, v)
						kerneltest.CheckBits(t, "key", k, p.k[from])
						kerneltest.CheckBits(t, "value", v, p.v[from])
					}
					// What was taken out can be put back.
					p.kv.Restore(n-1, &stash, 1)
					p.kv.Get(n-1, k, v)
					kerneltest.CheckBits(t, "key put back", k, p.k[i])
					kerneltest.CheckBits(t, "value put back", v, p.v[i])
				}
			}
		}
	}
	for _, i := range []int{-1, 3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Drop took entry %d of 3", i)
				}
			}()
			kv := KV{Dim: 4, F32: [][]float32{make([]float32, Size(4))}}
			kv.Drop(i, 3)
		}()
	}
}

func BenchmarkDrop(b *testing.B) {
	kv := NewKV(64, tensor.F16)
	kv.Grow(1024)
	for b.Loop() {
		kv.Drop(0, 1024)
	}
}
