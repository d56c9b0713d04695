package nn

import "github.com/micaml/mica/op"

// Mamba is the block of Gu & Dao 2023, figure 3, with its channels E, state N and
// kernel K:
//
//	u = silu(conv(In x)),  y = Out(scan(u) * silu(Gate x))
//
// where the scan's B and C are BC u, and its step is softplus(Delta(Low u)). In
// files of transformers In and Gate are the halves of in_proj, and Low and BC the
// parts of x_proj.
type Mamba struct {
	In, Gate Layer      // D -> E
	Conv     *op.Weight // [E, K]
	ConvB    *op.Weight // [1, E], may be nil
	Low      Layer      // E -> rank
	Delta    Layer      // rank -> E, with a bias
	BC       Layer      // E -> 2N: B and C
	ALog     *op.Weight // [E, N]: log(-A)
	D        *op.Weight // [1, E], may be nil
	Out      Layer      // E -> D
}

// Apply maps x [T, D] to [T, D].
func (l *Mamba) Apply(c *op.Ctx, x op.Val, runs []int32, state [][]float32) op.Val {
	before := (l.Conv.Cols - 1) * l.Conv.Rows
	rows, h := make([][]float32, len(state)), make([][]float32, len(state))
	for i, s := range state {
		if len(s) != l.State() {
			rows[i] = s // which the convolution refuses
			continue
		}
		rows[i], h[i] = s[:before], s[before:]
	}
	u := op.CausalConv(c, l.In.Apply(c, x), l.Conv, runs, rows)
	if l.ConvB != nil {
		u = op.Bias(c, u, l.ConvB)
	}
	u = op.SiLU(c, u)
	delta := op.Softplus(c, l.Delta.Apply(c, l.Low.Apply(c, u)))
	y := op.SelectiveScan(c, u, delta, l.BC.Apply(c, u), l.ALog, l.D, runs, h)
	return l.Out.Apply(c, op.SwiGLU(c, l.Gate.Apply(c, x), y))
}

// State is (K-1)*E + E*N: rows for the convolution, and then the scan's state.
func (l *Mamba) State() int { return (l.Conv.Cols-1)*l.Conv.Rows + l.ALog.Rows*l.ALog.Cols }
