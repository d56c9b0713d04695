package vision

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// CNN says what a convolutional network is: 3x3 convolutions with batch norm and
// ReLU, the mean over all pixels, and a linear map.
type CNN struct {
	Height, Width, Channels int
	Blocks                  []Block
	Classes                 int
	Dropout                 float32 // before the linear map
}

// Block is a convolution, batch norm and ReLU.
type Block struct {
	Channels int
	Stride   int // 0 means 1
	// Residual adds the block's input to its output, before the ReLU (He et al.
	// 2016); it needs the same channels and a stride of 1.
	Residual bool
}

// Convolutional is the network of a [CNN]. A row of its stream is a picture,
// [h*w*channels]; a layer passes mlp.pre before its ReLU.
type Convolutional struct {
	net
	convs  []*nn.Conv
	blocks []Block
	pixels []int // at each boundary
	drop   *nn.Dropout
}

// NewCNN returns a network with He's weights (He et al. 2015).
func NewCNN(rng *rand.Rand, m CNN) (*Convolutional, error) {
	if len(m.Blocks) == 0 {
		return nil, errors.New("vision: a CNN without blocks")
	}
	if err := errors.Join(positive("a CNN", m.Height, m.Width, m.Channels, m.Classes), checkDrop(m.Dropout)); err != nil {
		return nil, err
	}
	n := &Convolutional{net: newNet(m.Height, m.Width, m.Channels), blocks: m.Blocks, pixels: []int{m.Height * m.Width}}
	h, w, in := m.Height, m.Width, m.Channels
	for i, b := range m.Blocks {
		name, stride := fmt.Sprintf("conv.%d", i), max(1, b.Stride)
		if err := positive("block "+name, b.Channels, stride); err != nil {
			return nil, err
		}
		if b.Residual && (b.Channels != in || stride != 1) {
			return nil, fmt.Errorf("vision: block %s: %d channels to %d with a stride of %d can't be residual", name, in, b.Channels, stride)
		}
		conv := nn.NewConv(rng, name, in, b.Channels, op.ConvSpec{Window: op.Square(h, w, 3, stride, 1)})
		norm := nn.NewBatchNorm(name+".norm", b.Channels)
		n.add(conv, norm)
		n.convs, n.norms = append(n.convs, conv), append(n.norms, norm)
		n.infos = append(n.infos, pass.LayerInfo{Name: name, Width: h * w * in, Sites: []pass.Site{pass.ResidPre, pass.GateAct, pass.ResidPost}})
		h, w, in = (h-1)/stride+1, (w-1)/stride+1, b.Channels
		n.pixels = append(n.pixels, h*w)
	}
	head := nn.NewLinear(rng, "head", in, m.Classes)
	n.add(head)
	n.net.head, n.drop = head, n.dropout(m.Dropout)
	n.Inference()
	return n, nil
}

// Layer is a block.
func (n *Convolutional) Layer(c *op.Ctx, i int, s *pass.State) error {
	batch := len(s.Rows)
	in := s.At(pass.ResidPre, s.X)
	if batch == 0 {
		return errors.New("vision: no pictures")
	}
	x := op.Reshape(c, in, batch*n.pixels[i], c.Shape(in).Len()/(batch*n.pixels[i]))
	y := n.norms[i].Apply(c, n.convs[i].Apply(c, x))
	if n.blocks[i].Residual {
		y = op.Add(c, x, y)
	}
	y = s.At(pass.GateAct, op.Reshape(c, y, batch, c.Shape(y).Len()/batch))
	s.X = s.At(pass.ResidPost, op.ReLU(c, y))
	return nil
}

// Head reads "logits" from the last boundary.
func (n *Convolutional) Head(c *op.Ctx, name string, s *pass.State, rows []int32) (op.Val, error) {
	pixels := n.pixels[s.Boundary()]
	x := op.Rows(c, s.X, rows)
	if len(rows) == 0 || c.Err() != nil {
		return op.Val{}, c.Err()
	}
	if s.Boundary() != len(n.infos) {
		return op.Val{}, fmt.Errorf("vision: the head reads boundary %d, not %d", len(n.infos), s.Boundary())
	}
	x = op.GlobalAvgPool(c, op.Reshape(c, x, len(rows)*pixels, c.Shape(x).Len()/(len(rows)*pixels)), pixels)
	all := op.Room[int32](c, len(rows))
	for i := range all {
		all[i] = int32(i)
	}
	return n.logits(c, name, n.drop.Apply(c, x), all)
}

// Weight returns the head's map, pass.Unembed.
func (n *Convolutional) Weight(layer int, r pass.Role) nn.Layer {
	if r == pass.Unembed && layer == len(n.infos) {
		return n.net.head
	}
	return nil
}

// Wrap replaces the head's map: see pass.Net.
func (n *Convolutional) Wrap(wrap func(layer int, r pass.Role, l nn.Layer) nn.Layer) pass.Net {
	o := *n
	o.net.head = wrap(len(n.infos), pass.Unembed, n.net.head)
	return &o
}
