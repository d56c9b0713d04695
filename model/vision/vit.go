package vision

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// ViT says what a vision transformer is (Dosovitskiy et al. 2021): pre-norm blocks of
// attention and a GELU MLP over patches and a class token.
type ViT struct {
	Height, Width, Channels int
	Patch                   int // side, which divides height and width
	Layers                  int
	Dim, Heads, MLP         int
	Classes                 int
}

// Transformer is the network of a [ViT]. Layer 0 makes the patches rows: the class
// token at position 0, then the patches, row by row. The others are blocks with the
// sites of a decoder. The head norms a row and maps it.
type Transformer struct {
	net
	shape    ViT
	patches  *nn.Linear
	class    *nn.Embedding
	position *nn.Embedding
	blocks   []vitBlock
	norm     *nn.LayerNorm
	order    []int32 // of a picture's numbers, patch by patch
}

type vitBlock struct {
	attnNorm, mlpNorm *nn.LayerNorm
	linear            [pass.Unembed]nn.Layer // q, k, v, o, up, down
}

// roles are those that a block has.
var vitRoles = [...]pass.Role{pass.QueryProj, pass.KeyProj, pass.ValueProj, pass.OutputProj, pass.UpProj, pass.DownProj}

// NewViT returns a network with random weights.
func NewViT(rng *rand.Rand, m ViT) (*Transformer, error) {
	if err := positive("a ViT", m.Height, m.Width, m.Channels, m.Patch, m.Layers, m.Dim, m.Heads, m.MLP, m.Classes); err != nil {
		return nil, err
	}
	if m.Height%m.Patch != 0 || m.Width%m.Patch != 0 {
		return nil, fmt.Errorf("vision: pictures of %dx%d don't make patches of %dx%d", m.Height, m.Width, m.Patch, m.Patch)
	}
	if m.Dim%m.Heads != 0 {
		return nil, fmt.Errorf("vision: a width of %d for %d heads", m.Dim, m.Heads)
	}
	d := m.Dim
	n := &Transformer{net: newNet(m.Height, m.Width, m.Channels), shape: m,
		patches:  nn.NewLinear(rng, "patches", m.Patch*m.Patch*m.Channels, d),
		class:    nn.NewEmbedding(rng, "class", 1, d, 0.02),
		position: nn.NewEmbedding(rng, "positions", n1(m), d, 0.02),
		norm:     nn.NewLayerNorm("norm", d),
	}
	n.add(n.patches, n.class, n.position)
	n.infos = []pass.LayerInfo{{Name: "patches", Width: m.Height * m.Width * m.Channels, Sites: []pass.Site{pass.ResidPre, pass.ResidPost}}}
	sites := []pass.Site{pass.ResidPre, pass.AttnIn, pass.Q, pass.K, pass.V, pass.Z, pass.AttnOut, pass.ResidMid,
		pass.MLPIn, pass.GateAct, pass.MLPMid, pass.MLPOut, pass.ResidPost}
	for i := range m.Layers {
		name := fmt.Sprintf("blocks.%d", i)
		b := vitBlock{attnNorm: nn.NewLayerNorm(name+".attn_norm", d), mlpNorm: nn.NewLayerNorm(name+".mlp_norm", d)}
		n.add(b.attnNorm, b.mlpNorm)
		for _, r := range vitRoles {
			in, out := d, d
			if r == pass.UpProj {
				out = m.MLP
			} else if r == pass.DownProj {
				in = m.MLP
			}
			l := nn.NewLinear(rng, name+"."+r.String(), in, out)
			n.add(l)
			b.linear[r] = l
		}
		n.blocks = append(n.blocks, b)
		n.infos = append(n.infos, pass.LayerInfo{Name: name, Width: d, Sites: sites})
	}
	head := nn.NewLinear(rng, "head", d, m.Classes)
	n.add(n.norm, head)
	n.net.head = head
	n.order = patchOrder(m)
	return n, nil
}

// n1 is the number of rows of a picture.
func n1(m ViT) int { return 1 + m.Height/m.Patch*(m.Width/m.Patch) }

// patchOrder lists where the numbers of each patch stand in a picture.
func patchOrder(m ViT) []int32 {
	var order []int32
	for y := 0; y < m.Height; y += m.Patch {
		for x := 0; x < m.Width; x += m.Patch {
			for i := range m.Patch {
				for j := range m.Patch * m.Channels {
					order = append(order, int32((y+i)*m.Width*m.Channels+x*m.Channels+j))
				}
			}
		}
	}
	return order
}

// Layer makes patches, or is a block.
func (n *Transformer) Layer(c *op.Ctx, i int, s *pass.State) error {
	if i == 0 {
		return n.embedPatches(c, s)
	}
	b := &n.blocks[i-1]
	x := s.At(pass.ResidPre, s.X)
	h := s.At(pass.AttnIn, b.attnNorm.Apply(c, x))
	q := s.At(pass.Q, b.linear[pass.QueryProj].Apply(c, h))
	k := s.At(pass.K, b.linear[pass.KeyProj].Apply(c, h))
	v := s.At(pass.V, b.linear[pass.ValueProj].Apply(c, h))
	if s.Done() {
		return nil
	}
	spec := &op.Room[op.AttentionSpec](c, 1)[0]
	spec.Heads = op.Heads{Query: n.shape.Heads, KV: n.shape.Heads, Dim: n.shape.Dim / n.shape.Heads}
	spec.Runs = op.Room[op.Run](c, len(s.Groups()))[:0]
	for _, g := range s.Groups() {
		spec.Runs = append(spec.Runs, op.Run{Queries: g.To - g.From, Keys: g.To - g.From, KeyFrom: g.From})
	}
	z := s.At(pass.Z, op.Attention(c, q, k, v, spec))
	x = s.At(pass.ResidMid, op.Add(c, x, s.At(pass.AttnOut, b.linear[pass.OutputProj].Apply(c, z))))
	h = s.At(pass.MLPIn, b.mlpNorm.Apply(c, x))
	h = s.At(pass.GateAct, b.linear[pass.UpProj].Apply(c, h))
	h = s.At(pass.MLPMid, op.GELU(c, h))
	s.X = s.At(pass.ResidPost, op.Add(c, x, s.At(pass.MLPOut, b.linear[pass.DownProj].Apply(c, h))))
	return nil
}

// embedPatches turns rows that are pictures into rows that are patches.
func (n *Transformer) embedPatches(c *op.Ctx, s *pass.State) error {
	x := s.At(pass.ResidPre, s.X)
	pictures, rows := len(s.Rows), n1(n.shape)
	if pictures == 0 || len(s.Groups()) != pictures {
		return errors.New("vision: a picture is one row")
	}
	p := n.shape.Patch * n.shape.Patch * n.shape.Channels
	x = op.Reshape(c, op.Columns(c, x, n.order), pictures*(rows-1), p)
	places, inside, zeros := op.Room[int32](c, pictures*rows), op.Room[int32](c, pictures*(rows-1))[:0], op.Room[int32](c, pictures*rows)
	addresses := op.Room[pass.Row](c, pictures*rows)
	for i := range addresses {
		picture, place := i/rows, i%rows
		places[i] = int32(place)
		addresses[i] = pass.Row{Seq: s.Rows[picture].Seq, Pos: int32(place)}
		if place != 0 {
			inside = append(inside, int32(i))
		}
	}
	x = op.Put(c, n.class.Apply(c, zeros), n.patches.Apply(c, x), inside)
	x = op.Add(c, x, n.position.Apply(c, places))
	s.SetRows(addresses)
	s.X = s.At(pass.ResidPost, x)
	return nil
}

// Head reads "logits".
func (n *Transformer) Head(c *op.Ctx, name string, s *pass.State, rows []int32) (op.Val, error) {
	if s.Boundary() == 0 {
		return op.Val{}, errors.New("vision: the head reads patches, which boundary 0 doesn't have")
	}
	x := n.norm.Apply(c, op.Rows(c, s.X, rows))
	all := op.Room[int32](c, len(rows))
	for i := range all {
		all[i] = int32(i)
	}
	return n.logits(c, name, x, all)
}

// Weight returns the map that plays a role in a layer, or nil.
func (n *Transformer) Weight(layer int, r pass.Role) nn.Layer {
	switch {
	case layer >= 1 && layer <= len(n.blocks) && r < pass.Unembed:
		return n.blocks[layer-1].linear[r]
	case layer == len(n.infos) && r == pass.Unembed:
		return n.net.head
	}
	return nil
}

// Wrap replaces linear maps: see pass.Net.
func (n *Transformer) Wrap(wrap func(layer int, r pass.Role, l nn.Layer) nn.Layer) pass.Net {
	o := *n
	o.blocks = append([]vitBlock(nil), n.blocks...)
	for i := range o.blocks {
		for _, r := range vitRoles {
			o.blocks[i].linear[r] = wrap(i+1, r, n.blocks[i].linear[r])
		}
	}
	o.net.head = wrap(len(n.infos), pass.Unembed, n.net.head)
	return &o
}
