package wiring_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/micaml/mica/nn/wiring"
	"gonum.org/v1/gonum/mat"
)

func must(t testing.TB) func(w *mat.Dense, err error) *mat.Dense {
	return func(w *mat.Dense, err error) *mat.Dense {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func values(t *testing.T, w *mat.Dense) []float64 {
	t.Helper()
	var svd mat.SVD
	if !svd.Factorize(w, mat.SVDNone) {
		t.Fatal("no singular values")
	}
	return svd.Values(nil)
}

// The nearest matrix of a rank is NumPy's.
func TestRankIsNumPys(t *testing.T) {
	b, err := os.ReadFile("testdata/rank.json")
	if err != nil {
		t.Fatal(err)
	}
	type array struct {
		Shape []int
		F64   []byte
	}
	var f struct {
		Cases []struct {
			Rank   int
			W, Cut array
		}
	}
	if err := json.Unmarshal(b, &f); err != nil || len(f.Cases) == 0 {
		t.Fatal(err, len(f.Cases))
	}
	matrix := func(a array) *mat.Dense {
		x := make([]float64, len(a.F64)/8)
		for i := range x {
			x[i] = math.Float64frombits(binary.LittleEndian.Uint64(a.F64[8*i:]))
		}
		return mat.NewDense(a.Shape[0], a.Shape[1], x)
	}
	for _, c := range f.Cases {
		got := must(t)(wiring.Rank(matrix(c.W), c.Rank))
		if !mat.EqualApprox(got, matrix(c.Cut), 1e-12) {
			t.Errorf("rank %d of %v differs", c.Rank, c.W.Shape)
		}
	}
}

func TestRank(t *testing.T) {
	w := must(t)(wiring.Normal(rng(1), 24, 1.25))
	for r := 1; r <= 24; r++ {
		cut := must(t)(wiring.Rank(w, r))
		s := values(t, cut)
		if r < 24 && !(s[r] < 1e-10*s[0]) {
			t.Errorf("rank %d: singular value %d is %g of the first", r, r+1, s[r]/s[0])
		}
		if !(s[r-1] > 1e-6*s[0]) {
			t.Errorf("rank %d: has less", r)
		}
		if a, b := mat.Norm(cut, 2), mat.Norm(w, 2); math.Abs(a-b) > 1e-12*b {
			t.Errorf("rank %d: norm %v, want %v", r, a, b)
		}
	}
	whole := must(t)(wiring.Rank(w, 24))
	if !mat.Equal(whole, w) {
		t.Error("full rank has changed the matrix")
	}
	whole.Set(0, 0, 100)
	if w.At(0, 0) == 100 {
		t.Error("the result is the matrix itself and no copy")
	}
}

func TestSizes(t *testing.T) {
	w := must(t)(wiring.Normal(rng(2), 20, 1))
	if got := mat.Norm(must(t)(wiring.Size(w, 3)), 2); math.Abs(got-3) > 1e-12 {
		t.Errorf("norm %v", got)
	}
	if got := values(t, must(t)(wiring.Stretch(w, 3)))[0]; math.Abs(got-3) > 1e-12 {
		t.Errorf("largest singular value %v", got)
	}
}

// moments are the mean of the squares and the number of zeros.
func moments(w *mat.Dense) (square float64, zeros int) {
	rows, cols := w.Dims()
	for i := range rows {
		for j := range cols {
			x := w.At(i, j)
			square += x * x / float64(rows*cols)
			if x == 0 {
				zeros++
			}
		}
	}
	return square, zeros
}

// Whatever the structure, entries have a mean square of g^2/n.
func TestEveryStructureHasTheSameSize(t *testing.T) {
	const n, g = 300, 1.25
	for name, w := range map[string]*mat.Dense{
		"normal": must(t)(wiring.Normal(rng(3), n, g)), "orthogonal": must(t)(wiring.Orthogonal(rng(3), n, g)),
		"identity": must(t)(wiring.Identity(n, g)), "sparse": must(t)(wiring.Sparse(rng(3), n, 0.1, g)),
		"cell types": must(t)(wiring.CellTypes(rng(3), n, 30, 0.5, g)), "chain": must(t)(wiring.Chain(rng(3), n, 0.2, g)),
		"Dale": must(t)(wiring.Dale(rng(3), n, 0.8, g)),
	} {
		// 900 means of types have a standard deviation of 5 % in their mean square, 300
		// strengths of 8 %.
		if square, _ := moments(w); math.Abs(square*n/(g*g)-1) > 0.2 {
			t.Errorf("%s: %v of g^2/n", name, square*n/(g*g))
		}
	}
}

func TestStructures(t *testing.T) {
	const n = 200
	q := must(t)(wiring.Orthogonal(rng(4), n, 2))
	var product mat.Dense
	product.Mul(q, q.T())
	if !mat.EqualApprox(&product, mat.NewDiagDense(n, fill(n, 4)), 1e-12) {
		t.Error("Q Qᵀ is not 4")
	}
	// Drawn evenly, the trace has mean 0 and variance 4; QR alone gives a trace that is far below.
	trace := 0.0
	for s := range uint64(100) {
		trace += mat.Trace(must(t)(wiring.Orthogonal(rng(s), 20, 1))) / 100
	}
	if math.Abs(trace) > 0.5 {
		t.Errorf("the mean trace of orthogonal matrices is %v", trace)
	}

	if _, zeros := moments(must(t)(wiring.Sparse(rng(5), n, 0.1, 1))); math.Abs(float64(zeros)/(n*n)-0.9) > 0.01 {
		t.Errorf("%d of %d entries are 0", zeros, n*n)
	}

	// Means of 4 types alone have at most rank 4, and half a share leaves 4 large values.
	s := values(t, must(t)(wiring.CellTypes(rng(6), n, 4, 1, 1)))
	if !(s[4] < 1e-10*s[0]) || !(s[3] > 1e-3*s[0]) {
		t.Errorf("singular values of 4 types: %v", s[:6])
	}

	w := must(t)(wiring.Dale(rng(7), n, 0.8, 1.5))
	positive, sum, size := 0, 0.0, 0.0
	for j := range n {
		sign := w.At(0, j) > 0
		if sign {
			positive++
		}
		for i := range n {
			if x := w.At(i, j); (x > 0) != sign || x == 0 {
				t.Fatalf("unit %d both excites and inhibits", j)
			}
			sum += w.At(i, j)
			size += math.Abs(w.At(i, j))
		}
	}
	if positive != n*8/10 {
		t.Errorf("%d of %d units excite", positive, n)
	}
	if math.Abs(sum) > 0.05*size {
		t.Errorf("the sum %v is not balanced against %v", sum, size)
	}
	if got := mat.Norm(w, 2); math.Abs(got-1.5*math.Sqrt(n)) > 1e-9 {
		t.Errorf("norm %v", got)
	}
}

func fill(n int, x float64) []float64 {
	d := make([]float64, n)
	for i := range d {
		d[i] = x
	}
	return d
}

// corr(W_ij, W_jk) is as asked for, over many matrices, and 0 without chains.
func TestChain(t *testing.T) {
	const n = 40
	for _, c := range []float64{0, 0.1, 0.3} {
		sum, square, count := 0.0, 0.0, 0
		for s := range uint64(200) {
			w := must(t)(wiring.Chain(rng(s), n, c, 1))
			for j := range n {
				in, out := 0.0, 0.0 // of j, without itself
				for i := range n {
					if i != j {
						in, out = in+w.At(j, i), out+w.At(i, j)
					}
				}
				same := 0.0 // i == k is no chain
				for i := range n {
					if i != j {
						same += w.At(i, j) * w.At(j, i)
					}
					square += w.At(i, j) * w.At(i, j) / n
				}
				sum += in*out - same
				count += (n - 1) * (n - 2)
			}
		}
		if got := sum / float64(count) / (square / (200 * n)); math.Abs(got-c) > 0.02 {
			t.Errorf("correlation %v, want %v", got, c)
		}
	}
	// The part of the strengths has the eigenvalues ± g sqrt(c n).
	w := must(t)(wiring.Chain(rng(9), 400, 0.3, 1))
	var e mat.Eigen
	if !e.Factorize(w, mat.EigenNone) {
		t.Fatal("no eigenvalues")
	}
	most, least, outside := 0.0, 0.0, 0
	for _, v := range e.Values(nil) {
		most, least = max(most, real(v)), min(least, real(v))
		if math.Hypot(real(v), imag(v)) > 2 {
			outside++
		}
	}
	if want := math.Sqrt(0.3 * 400); outside != 2 || math.Abs(most/want-1) > 0.2 || math.Abs(-least/want-1) > 0.2 {
		t.Errorf("%d eigenvalues outside, from %v to %v, want ±%v", outside, least, most, want)
	}
}

func TestSameSeedSameMatrix(t *testing.T) {
	a, b := must(t)(wiring.Dale(rng(1), 30, 0.5, 1)), must(t)(wiring.Dale(rng(1), 30, 0.5, 1))
	if !mat.Equal(a, b) {
		t.Error("they differ")
	}
	if mat.Equal(a, must(t)(wiring.Dale(rng(2), 30, 0.5, 1))) {
		t.Error("another seed gives the same")
	}
}

func TestBadInput(t *testing.T) {
	r := rng(1)
	one := mat.NewDense(2, 2, []float64{1, 2, 3, 4})
	for _, c := range []struct {
		want string
		f    func() (*mat.Dense, error)
	}{
		{"wiring: rank 0 of a matrix of 2 x 2: want 1 to 2", func() (*mat.Dense, error) { return wiring.Rank(one, 0) }},
		{"wiring: rank 3 of a matrix of 2 x 2: want 1 to 2", func() (*mat.Dense, error) { return wiring.Rank(one, 3) }},
		{"wiring: rank 2 of a matrix that has less: its singular value 2 is", func() (*mat.Dense, error) {
			return wiring.Rank(mat.NewDense(3, 3, fill(9, 1)), 2)
		}},
		{"wiring: entry [1][0] is NaN", func() (*mat.Dense, error) { return wiring.Rank(mat.NewDense(2, 2, []float64{1, 2, math.NaN(), 4}), 1) }},
		{"wiring: entry [0][0] is +Inf", func() (*mat.Dense, error) { return wiring.Size(mat.NewDense(1, 1, []float64{math.Inf(1)}), 1) }},
		{"wiring: an empty matrix", func() (*mat.Dense, error) { return wiring.Rank(&mat.Dense{}, 1) }},
		{"wiring: an empty matrix", func() (*mat.Dense, error) { return wiring.Stretch(nil, 1) }},
		{"wiring: a matrix of size 0 can't become one of size 1", func() (*mat.Dense, error) { return wiring.Size(mat.NewDense(2, 2, nil), 1) }},
		{"can't become one of size NaN", func() (*mat.Dense, error) { return wiring.Stretch(one, math.NaN()) }},
		{"wiring: 0 units: want 1 to 8192", func() (*mat.Dense, error) { return wiring.Normal(r, 0, 1) }},
		{"wiring: 9000 units: want 1 to 8192", func() (*mat.Dense, error) { return wiring.Identity(9000, 1) }},
		{"wiring: a gain of -1", func() (*mat.Dense, error) { return wiring.Normal(r, 2, -1) }},
		{"wiring: a gain of NaN", func() (*mat.Dense, error) { return wiring.Orthogonal(r, 2, math.NaN()) }},
		{"wiring: a density of 0 is not in (0, 1]", func() (*mat.Dense, error) { return wiring.Sparse(r, 2, 0, 1) }},
		{"wiring: 3 types of 2 cells", func() (*mat.Dense, error) { return wiring.CellTypes(r, 2, 3, 0.5, 1) }},
		{"wiring: a share of 2 is not in [0, 1]", func() (*mat.Dense, error) { return wiring.CellTypes(r, 2, 1, 2, 1) }},
		{"wiring: chains with a correlation of 0.5, which is not in [0, 0.5)", func() (*mat.Dense, error) { return wiring.Chain(r, 2, 0.5, 1) }},
		{"wiring: a share of 1 of 2 units excites: both kinds are needed", func() (*mat.Dense, error) { return wiring.Dale(r, 2, 1, 1) }},
		{"wiring: a share of 0.1 of 2 units excites: both kinds are needed", func() (*mat.Dense, error) { return wiring.Dale(r, 2, 0.1, 1) }},
	} {
		if _, err := c.f(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
