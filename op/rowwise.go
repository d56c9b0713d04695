package op

// rowLoop is a loop over rows that the pool shares out. No row depends on
// another, so how it is cut shows nowhere.
type rowLoop struct {
	row   func(t *rowLoop, i int)
	width int
	// Matrices [rows][width], those that row uses.
	dst, dst2, x, y, z []float32

	stat []float32 // [rows][some]
	ids  []int32
	f    float32

	other int // width of a narrower matrix
	step  int // how far a row's ids are from those of the row before
}

func (t *rowLoop) Do(_, lo, hi int) {
	for i := lo; i < hi; i++ {
		t.row(t, i)
	}
}

// of returns row i of a matrix.
func (t *rowLoop) of(m []float32, i int) []float32 { return m[i*t.width : (i+1)*t.width] }

// rows runs t.row for each of n rows on every core.
func (c *Ctx) rows(n int, t rowLoop) {
	if n == 0 {
		return
	}
	c.kernels.rows = t // there, for an argument would escape to the heap
	c.pool.For(n, max(1, eachGrain/max(t.width, 1)), &c.kernels.rows)
	c.kernels.rows = rowLoop{}
}
