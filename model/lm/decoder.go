package lm

import (
	"fmt"
	"math"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// Decoder is a decoder-only language model of one of the families in the
// table. It implements pass.Net, and serves, looks and trains with this one
// definition.
//
// Queries and keys pass the sites attn.q and attn.k as their maps give them,
// and attn.rot_q and attn.rot_k as attention takes them: normed, rotated and
// scaled, where a family does so. A plain MLP passes mlp.pre before its
// activation and has no mlp.pre_linear; with parallel blocks there is no
// resid_mid.
type Decoder struct {
	Config Config

	family    *family
	embed     *nn.Embedding // [V, D]
	positions *nn.Embedding // [Context, D], where they are learned
	blocks    []block
	norm      norm
	unembed   nn.Layer // [V, D]; the embedding's own matrix where they are tied
	layout    op.RotaryLayout
	global    reach
	local     reach // of the layers that see a window
	infos     []pass.LayerInfo
	weights   []*op.Weight
}

type block struct {
	attnNorm, mlpNorm norm
	attnPost, mlpPost norm // nil but for families with them
	qNorm, kNorm      norm // likewise
	// q [H*Dh, D], k, v [G*Dh, D], o [D, H*Dh], gate, up [F, D], down [D, F];
	// a plain MLP has no gate.
	linear [pass.Unembed]nn.Layer
}

// norm is nn.RMSNorm or nn.LayerNorm.
type norm interface {
	Apply(c *op.Ctx, x op.Val) op.Val
}

// reach is how attention looks back: at everything, or at a window.
type reach struct {
	heads  pass.Heads
	rotary *op.Rotary // nil where positions are learned
}

// finish derives what follows from the configuration.
func (n *Decoder) finish() {
	c, f := &n.Config, n.family
	var sites []pass.Site
	for s := pass.ResidPre; s <= pass.ResidPost; s++ {
		if s == pass.ResidMid && c.Parallel || s == pass.UpAct && f.plain != nil {
			continue
		}
		sites = append(sites, s)
	}
	n.infos = make([]pass.LayerInfo, c.Layers)
	for i := range n.infos {
		n.infos[i] = pass.LayerInfo{Name: fmt.Sprint("dec.", i), Sites: sites, Width: c.Width, Rowwise: true, Adapts: true}
	}
}

// reach returns how layer i looks back: of Pattern layers, the last sees
// everything and the others a window.
func (n *Decoder) reach(i int) *reach {
	if n.local.heads.Window > 0 && (i+1)%n.Config.Pattern != 0 {
		return &n.local
	}
	return &n.global
}

// Layers describes the layers.
func (n *Decoder) Layers() []pass.LayerInfo { return n.infos }

// Embed looks tokens up, [T] -> [T, D].
func (n *Decoder) Embed(c *op.Ctx, s *pass.State, ids []int32) error {
	s.X = n.embed.Apply(c, ids)
	if n.family.scaleEmbedding {
		s.X = op.Scale(c, s.X, float32(math.Sqrt(float64(n.Config.Width))))
	}
	if n.positions != nil {
		for _, p := range s.Positions() {
			if int(p) >= n.Config.Context {
				return fmt.Errorf("lm: position %d: the model knows %d", p, n.Config.Context)
			}
		}
		s.X = op.Add(c, s.X, n.positions.Apply(c, s.Positions()))
	}
	return nil
}

// Layer is one decoder block.
func (n *Decoder) Layer(c *op.Ctx, i int, s *pass.State) error {
	b := &n.blocks[i]
	x := s.At(pass.ResidPre, s.X)
	a := n.attention(c, n.reach(i), b, s, x)
	if s.Done() {
		return nil
	}
	if n.Config.Parallel {
		m := n.mlp(c, b, s, x)
		s.X = s.At(pass.ResidPost, op.Add(c, x, op.Add(c, a, m)))
		return nil
	}
	x = s.At(pass.ResidMid, op.Add(c, x, a))
	m := n.mlp(c, b, s, x)
	s.X = s.At(pass.ResidPost, op.Add(c, x, m))
	return nil
}

// attention returns what attention adds to the stream x.
func (n *Decoder) attention(c *op.Ctx, r *reach, b *block, s *pass.State, x op.Val) op.Val {
	h := s.At(pass.AttnIn, b.attnNorm.Apply(c, x))
	q := s.At(pass.Q, s.Linear(pass.QueryProj, b.linear[pass.QueryProj], h))
	k := s.At(pass.K, s.Linear(pass.KeyProj, b.linear[pass.KeyProj], h))
	v := s.At(pass.V, s.Linear(pass.ValueProj, b.linear[pass.ValueProj], h))
	if n.family.headNorm {
		q, k = n.eachHead(c, b.qNorm, q), n.eachHead(c, b.kNorm, k)
	}
	if r.rotary != nil {
		q, k = op.Rotate(c, q, r.rotary, s.Positions()), op.Rotate(c, k, r.rotary, s.Positions())
	}
	if d := n.Config.QueryDim; d != 0 && d != n.Config.HeadDim { // attention divides by the root of the latter
		q = op.Scale(c, q, float32(math.Sqrt(float64(n.Config.HeadDim)/float64(d))))
	}
	q, k = s.At(pass.RotQ, q), s.At(pass.RotK, k)
	if s.Done() {
		return op.Val{}
	}
	z := s.At(pass.Z, s.Attend(q, k, v, r.heads))
	a := s.Linear(pass.OutputProj, b.linear[pass.OutputProj], z)
	if n.family.postNorm {
		a = b.attnPost.Apply(c, a)
	}
	return s.At(pass.AttnOut, a)
}

// eachHead norms each head of x [T, heads*Dh] by itself.
func (n *Decoder) eachHead(c *op.Ctx, l norm, x op.Val) op.Val {
	s := c.Shape(x)
	y := op.Reshape(c, x, s.Len()/n.Config.HeadDim, n.Config.HeadDim)
	return op.Reshape(c, l.Apply(c, y), s.Rows(), s.Width())
}

// mlp returns what the MLP adds to the stream x.
func (n *Decoder) mlp(c *op.Ctx, b *block, s *pass.State, x op.Val) op.Val {
	h := s.At(pass.MLPIn, b.mlpNorm.Apply(c, x))
	var m op.Val
	if f := n.family; f.plain != nil {
		u := s.At(pass.GateAct, s.Linear(pass.UpProj, b.linear[pass.UpProj], h))
		m = f.plain(c, u)
	} else {
		g := s.At(pass.GateAct, s.Linear(pass.GateProj, b.linear[pass.GateProj], h))
		u := s.At(pass.UpAct, s.Linear(pass.UpProj, b.linear[pass.UpProj], h))
		m = f.hidden(c, g, u)
	}
	m = s.Linear(pass.DownProj, b.linear[pass.DownProj], s.At(pass.MLPMid, m))
	if n.family.postNorm {
		m = b.mlpPost.Apply(c, m)
	}
	return s.At(pass.MLPOut, m)
}

// Head gives the logits of rows, [len(rows), V], at any boundary: before the
// last it is the logit lens.
func (n *Decoder) Head(c *op.Ctx, name string, s *pass.State, rows []int32) (op.Val, error) {
	if name != "logits" {
		return op.Val{}, fmt.Errorf("lm: head %q: the network has logits", name)
	}
	return s.Unembed(n.unembed, n.norm.Apply(c, op.Rows(c, s.X, rows)), rows), nil
}

// Memory returns empty keys and values.
func (n *Decoder) Memory(_ int, kv tensor.DType) pass.Memory {
	return pass.NewKV(n.Config.KVHeads, n.Config.HeadDim, kv)
}

// Weight returns a linear map of a layer, or of the head. A plain MLP has no
// gate.
func (n *Decoder) Weight(layer int, r pass.Role) nn.Layer {
	switch {
	case r == pass.Unembed && layer == len(n.blocks):
		return n.unembed
	case r < pass.Unembed && layer >= 0 && layer < len(n.blocks):
		return n.blocks[layer].linear[r]
	}
	return nil
}

// Weights returns every weight of the network, in the order of the layers.
func (n *Decoder) Weights() []*op.Weight { return n.weights }

// Wrap returns a network on the same weights with wrapped linear maps.
func (n *Decoder) Wrap(wrap func(layer int, r pass.Role, l nn.Layer) nn.Layer) pass.Net {
	w := *n
	w.blocks = append([]block(nil), n.blocks...)
	for i := range w.blocks {
		for r, l := range n.blocks[i].linear {
			if l != nil {
				w.blocks[i].linear[r] = wrap(i, pass.Role(r), l)
			}
		}
	}
	w.unembed = wrap(len(n.blocks), pass.Unembed, n.unembed)
	return &w
}
