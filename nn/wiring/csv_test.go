package wiring_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/micaml/mica/nn/wiring"
	"gonum.org/v1/gonum/mat"
)

func TestReadCSV(t *testing.T) {
	w, err := wiring.ReadCSV(strings.NewReader("1, -2.5\r\n\n 3e-2 ,4\n"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(w, mat.NewDense(2, 2, []float64{1, -2.5, 0.03, 4})) {
		t.Errorf("%v", w)
	}
}

// broken are files that are no square matrix of at most 3 units.
var broken = []struct{ file, err string }{
	{"", "wiring: the file has no numbers"},
	{"\n \n", "wiring: the file has no numbers"},
	{"1,2\n3\n", "wiring: line 2: 1 numbers, and the first row has 2"},
	{"1,2\n", "wiring: 1 rows of 2 numbers: the matrix must be square"},
	{"1,2\n3,4\n5,6\n", "wiring: line 3: a row too many for 2 columns: the matrix must be square"},
	{"1,2,3,4\n", "wiring: line 1: 4 numbers, more than 3"},
	{"1,x\n3,4\n", `wiring: line 1: "x" is no finite number`},
	{"1,\n3,4\n", `wiring: line 1: "" is no finite number`},
	{"1,NaN\n3,4\n", `wiring: line 1: "NaN" is no finite number`},
	{"1,2\n-Inf,4\n", `wiring: line 2: "-Inf" is no finite number`},
	{"1e999\n", `wiring: line 1: "1e999" is no finite number`},
	{strings.Repeat("1", 5000) + "\n", "wiring: a line is too long for 3 numbers"},
	{strings.Repeat("\n", 10) + "a\n", `wiring: line 11: "a" is no finite number`},
	{"\x00\xff\n", `wiring: line 1: "\x00\xff" is no finite number`},
}

func TestReadBrokenCSV(t *testing.T) {
	for _, c := range broken {
		if _, err := wiring.ReadCSV(strings.NewReader(c.file), 3); err == nil || err.Error() != c.err {
			t.Errorf("%.40q: %v, want %s", c.file, err, c.err)
		}
	}
	if _, err := wiring.ReadCSV(strings.NewReader("1"), 0); err == nil || err.Error() != "wiring: at most 0 units: want 1 to 8192" {
		t.Error(err)
	}
	bad := errors.New("the disk is gone")
	if _, err := wiring.ReadCSV(iotest.ErrReader(bad), 3); !errors.Is(err, bad) {
		t.Error(err)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("1, -2.5\r\n\n 3e-2 ,4\n"))
	for _, c := range broken {
		f.Add([]byte(c.file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		w, err := wiring.ReadCSV(strings.NewReader(string(file)), 8)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "wiring: ") {
				t.Errorf("error without a name: %v", err)
			}
			return
		}
		rows, cols := w.Dims()
		if rows != cols || rows < 1 || rows > 8 {
			t.Errorf("%d x %d", rows, cols)
		}
		for _, x := range w.RawMatrix().Data {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Error(x)
			}
		}
	})
}
