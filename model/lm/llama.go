package lm

import (
	"fmt"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// Llama is a decoder of the Llama family (Touvron et al. 2023): RMS norm,
// rotary positions, grouped attention, gated SiLU MLP. It implements pass.Net
// and serves, looks and trains with this one definition.
type Llama struct {
	Config Config

	embed   *nn.Embedding // [V, D]
	blocks  []block
	norm    *nn.RMSNorm
	unembed nn.Layer // [V, D]; the embedding's own matrix where they are tied
	rotary  *op.Rotary
	heads   pass.Heads
	infos   []pass.LayerInfo
}

type block struct {
	attnNorm, mlpNorm *nn.RMSNorm
	// q [H*Dh, D], k, v [G*Dh, D], o [D, H*Dh], gate, up [F, D], down [D, F]
	linear [pass.Unembed]nn.Layer
}

var sites = []pass.Site{
	pass.ResidPre, pass.AttnIn, pass.Q, pass.K, pass.V, pass.RotQ, pass.RotK, pass.LastRow, pass.ColumnSums,
	pass.Z, pass.AttnOut, pass.ResidMid, pass.MLPIn, pass.GateAct, pass.UpAct, pass.MLPMid, pass.MLPOut, pass.ResidPost,
}

// finish derives what follows from the configuration.
func (n *Llama) finish() {
	c := &n.Config
	n.heads = pass.Heads{Query: c.Heads, KV: c.KVHeads, Dim: c.HeadDim}
	n.infos = make([]pass.LayerInfo, c.Layers)
	for i := range n.infos {
		n.infos[i] = pass.LayerInfo{Name: fmt.Sprint("dec.", i), Sites: sites, Width: c.Width, Rowwise: true}
	}
}

// Layers describes the layers.
func (n *Llama) Layers() []pass.LayerInfo { return n.infos }

// Embed looks tokens up, [T] -> [T, D].
func (n *Llama) Embed(c *op.Ctx, s *pass.State, ids []int32) error {
	s.X = n.embed.Apply(c, ids)
	return nil
}

// Layer is one decoder block.
func (n *Llama) Layer(c *op.Ctx, i int, s *pass.State) error {
	b := &n.blocks[i]
	apply := func(r pass.Role, x op.Val) op.Val { return b.linear[r].Apply(c, x) }

	x := s.At(pass.ResidPre, s.X)
	h := s.At(pass.AttnIn, b.attnNorm.Apply(c, x))
	q := s.At(pass.Q, apply(pass.QueryProj, h))
	k := s.At(pass.K, apply(pass.KeyProj, h))
	v := s.At(pass.V, apply(pass.ValueProj, h))
	q = s.At(pass.RotQ, op.Rotate(c, q, n.rotary, s.Positions()))
	k = s.At(pass.RotK, op.Rotate(c, k, n.rotary, s.Positions()))
	if s.Done() {
		return nil
	}
	z := s.At(pass.Z, s.Attend(q, k, v, n.heads))
	a := s.At(pass.AttnOut, apply(pass.OutputProj, z))
	x = s.At(pass.ResidMid, op.Add(c, x, a))

	h = s.At(pass.MLPIn, b.mlpNorm.Apply(c, x))
	g := s.At(pass.GateAct, apply(pass.GateProj, h))
	u := s.At(pass.UpAct, apply(pass.UpProj, h))
	m := s.At(pass.MLPMid, op.SwiGLU(c, g, u))
	m = s.At(pass.MLPOut, apply(pass.DownProj, m))
	s.X = s.At(pass.ResidPost, op.Add(c, x, m))
	return nil
}

// Head gives the logits of rows, [len(rows), V], at any boundary: before the
// last it is the logit lens.
func (n *Llama) Head(c *op.Ctx, name string, s *pass.State, rows []int32) (op.Val, error) {
	if name != "logits" {
		return op.Val{}, fmt.Errorf("lm: head %q: the network has logits", name)
	}
	return n.unembed.Apply(c, n.norm.Apply(c, op.Rows(c, s.X, rows))), nil
}

// Memory returns empty keys and values.
func (n *Llama) Memory(_ int, kv tensor.DType) pass.Memory {
	return pass.NewKV(n.heads.KV, n.heads.Dim, kv)
}

// Weight returns a linear map of a layer, or of the head.
func (n *Llama) Weight(layer int, r pass.Role) nn.Layer {
	switch {
	case r == pass.Unembed && layer == len(n.blocks):
		return n.unembed
	case r < pass.Unembed && layer >= 0 && layer < len(n.blocks):
		return n.blocks[layer].linear[r]
	}
	return nil
}

// Wrap returns a network on the same weights with wrapped linear maps.
func (n *Llama) Wrap(wrap func(layer int, r pass.Role, l nn.Layer) nn.Layer) pass.Net {
	w := *n
	w.blocks = append([]block(nil), n.blocks...)
	for i := range w.blocks {
		for r := range w.blocks[i].linear {
			w.blocks[i].linear[r] = wrap(i, pass.Role(r), n.blocks[i].linear[r])
		}
	}
	w.unembed = wrap(len(n.blocks), pass.Unembed, n.unembed)
	return &w
}
