package keep_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/h2o"
	"github.com/micaml/mica/keep/pyramid"
	"github.com/micaml/mica/keep/snapkv"
	"github.com/micaml/mica/keep/tova"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// fixture is testdata/compress.json: PyTorch in float64, by
// tools/oracle/compress.py.
type fixture struct {
	Cases []reference
	Rooms []struct {
		N, Window, Budget, Beta int
		Room                    []int
	}
}

type reference struct {
	Name                         string
	N, Steps                     int
	Heads, KV, Dim               int
	Window, Budget, Pool, Recent int
	Max                          bool
	Q, K                         struct{ F32 string } // [N+Steps, heads, dim]
	Sums                         struct{ F64 string } `json:"column_sums"` // [H, N]
	WindowSums                   struct{ F64 string } `json:"window_sums"` // [H, N-window]
	SnapKVQuery                  [][]int32            `json:"snapkv_query"`
	SnapKVKV                     [][]int32            `json:"snapkv_kv"`
	H2OQuery                     [][]int32            `json:"h2o_query"`
	H2OKV                        [][]int32            `json:"h2o_kv"`
	H2OStep                      [][]int32            `json:"h2o_step"`
	TOVA                         []int32
}

func numbers[T any](t *testing.T, s string) []T {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	must(t, err)
	out := make([]T, len(b)/binary.Size(*new(T)))
	_, err = binary.Decode(b, binary.LittleEndian, out)
	must(t, err)
	return out
}

func readFixture(t *testing.T) fixture {
	t.Helper()
	b, err := os.ReadFile("testdata/compress.json")
	must(t, err)
	var f fixture
	must(t, json.Unmarshal(b, &f))
	if len(f.Cases) != 6 || len(f.Rooms) != 6 {
		t.Fatalf("%d cases and %d pyramids", len(f.Cases), len(f.Rooms))
	}
	return f
}

// engine is of one layer of the fixture's geometry.
func (r *reference) engine(t *testing.T, o pass.Options) *pass.Engine {
	t.Helper()
	n, err := lm.NewRandom(lm.Config{Architecture: "llama", Layers: 1, Width: 32, Heads: r.Heads, KVHeads: r.KV, HeadDim: r.Dim,
		MLP: 32, Vocabulary: 60, Context: 256, RopeBase: 10000, RopeDim: r.Dim, Eps: 1e-5}, tensor.F32, 1)
	must(t, err)
	return engine(t, n, o)
}

// replay runs the fixture's queries and keys, in place of the model's own,
// under a method.
func (r *reference) replay(t *testing.T, e *pass.Engine, m keep.Compressor, steps int) *pass.KV {
	t.Helper()
	s, _ := compress(t, e, m, tokens(1, r.N))
	for site, x := range map[string][]float32{"attn.rot_q": numbers[float32](t, r.Q.F32), "attn.rot_k": numbers[float32](t, r.K.F32)} {
		must(t, s.Edit(site, func(c *op.Ctx, at pass.At, _ op.Val) op.Val {
			var y []float32
			for _, row := range at.Rows {
				y = append(y, x[int(row.Pos)*at.Width:][:at.Width]...)
			}
			return c.ViewShape(y, op.MakeShape(len(at.Rows), at.Width))
		}))
	}
	run(t, e, s)
	for range steps {
		s.Append(1)
		run(t, e, s)
	}
	return kv(t, s, 0)
}

func TestReference(t *testing.T) {
	for _, r := range readFixture(t).Cases {
		for _, tile := range []int{0, 7} {
			t.Run(fmt.Sprintf("%s, tile %d", r.Name, tile), func(t *testing.T) {
				e := r.engine(t, pass.Options{Threads: 2, Tile: tile})
				snap := snapkv.Method{Budget: r.Budget, Window: r.Window, Pool: r.Pool, Max: r.Max}
				heavy := h2o.Method{Budget: r.Budget, Recent: r.Recent}
				snapQuery, heavyQuery, heavyStep := snap, heavy, heavy
				snapQuery.PerQuery, heavyQuery.PerQuery, heavyStep.Steps = true, true, true
				everyHead := make([][]int32, r.KV)
				for h := range everyHead {
					everyHead[h] = r.TOVA
				}
				for _, c := range []struct {
					name  string
					m     keep.Compressor
					steps int
					want  [][]int32
				}{
					{"snapkv", snap, 0, r.SnapKVKV},
					{"snapkv per query head", snapQuery, 0, r.SnapKVQuery},
					{"h2o", heavy, 0, r.H2OKV},
					{"h2o per query head", heavyQuery, 0, r.H2OQuery},
					{"h2o steps", heavyStep, r.Steps, r.H2OStep},
					{"tova", tova.Method{Budget: r.Budget}, r.Steps, everyHead},
				} {
					m := r.replay(t, e, c.m, c.steps)
					if m.Heads() != len(c.want) {
						// With room for all, query heads need nothing of their own.
						if r.Budget < r.N || m.Heads() != r.KV {
							t.Fatalf("%s: %d heads, want %d", c.name, m.Heads(), len(c.want))
						}
					}
					for h := range m.Heads() {
						if got := m.Positions(h); !slices.Equal(got, c.want[h]) {
							t.Errorf("%s: head %d keeps\n%v, want\n%v", c.name, h, got, c.want[h])
						}
					}
				}
			})
		}
	}
}

// What the methods go by, against float64: sums over all queries, and over
// the window's.
func TestReferenceScores(t *testing.T) {
	for _, r := range readFixture(t).Cases {
		t.Run(r.Name, func(t *testing.T) {
			e := r.engine(t, pass.Options{Threads: 2})
			looked := false
			r.replay(t, e, probe{keep.Plan{Sums: true, Queries: r.Window}, func(l *keep.Layer) error {
				looked = true
				var sums, window []float32
				p, rows, n, err := l.Attention(r.Window)
				if err != nil || rows != r.Window || n != r.N {
					t.Fatalf("%d rows of %d, %v", rows, n, err)
				}
				for q := range r.Heads {
					sums = append(sums, l.Received(q)...)
					s := make([]float32, n-rows)
					snapkv.Add(s, p[q*rows*n:(q+1)*rows*n], n)
					window = append(window, s...)
				}
				near(t, "sum", sums, numbers[float64](t, r.Sums.F64))
				near(t, "window sum", window, numbers[float64](t, r.WindowSums.F64))
				return nil
			}}, 0)
			if !looked {
				t.Error("nothing was looked at")
			}
		})
	}
}

// near allows the rounding of sums of up to 75 probabilities.
func near(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d %ss, want %d", len(got), what, len(want))
	}
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-want[i]))
	}
	if !(worst < 5e-6) {
		t.Errorf("a %s is off by %g", what, worst)
	}
}

func TestReferencePyramid(t *testing.T) {
	for _, r := range readFixture(t).Rooms {
		if got := pyramid.Room(r.N, r.Window, r.Budget, r.Beta, len(r.Room)); !slices.Equal(got, r.Room) {
			t.Errorf("%+v: got %v", r, got)
		}
	}
}
