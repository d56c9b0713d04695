package gemfilter_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/keep/gemfilter"
)

// fixture is testdata/select.json: NumPy in float64, by tools/oracle/gemfilter.py.
type fixture struct {
	Cases []struct {
		Name           string
		Heads, KV, Dim int
		Window, K      int
		Q, Keys        blob // [H, Dh], [n, G, Dh]
		Scores, Pooled blob // [n]
		Kept           []int
	}
}

type blob struct {
	Shape    []int
	F32, F64 string
}

func numbers[T any](t *testing.T, s string) []T {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]T, len(b)/binary.Size(*new(T)))
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/select.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) != 10 {
		t.Fatalf("%d cases", len(f.Cases))
	}
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			n := c.Keys.Shape[0]
			scores := gemfilter.Score(numbers[float32](t, c.Q.F32), numbers[float32](t, c.Keys.F32), n, c.Dim)
			near(t, "score", scores, numbers[float64](t, c.Scores.F64))
			pooled := keep.MeanPool(scores, c.Window)
			near(t, "pooled score", pooled, numbers[float64](t, c.Pooled.F64))
			if kept := keep.Top(pooled, c.K); !slices.Equal(kept, c.Kept) {
				t.Errorf("kept %v, want %v", kept, c.Kept)
			}
		})
	}
}

// near allows the rounding of sums of some 150 products of about 1.
func near(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d %ss, want %d", len(got), what, len(want))
	}
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 2e-5 {
			t.Errorf("%s %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}
