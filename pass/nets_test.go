package pass_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tensor"
)

// The tiny networks of the conformance test. Each is a kind that some paper
// needs and that a decoder alone would not prove.

// weights makes random linear maps and remembers them.
type weights struct {
	rng  *rand.Rand
	all  []*op.Weight
	maps map[string]nn.Layer
}

func newWeights(seed uint64) *weights {
	return &weights{rng: rand.New(rand.NewPCG(seed, 9)), maps: map[string]nn.Layer{}}
}

func (w *weights) table(name string, rows, cols int) *op.Weight {
	x := make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(w.rng.NormFloat64() / math.Sqrt(float64(cols)))
	}
	v := op.NewWeight(name, tensor.FromFloat32(rows, cols, x))
	w.all = append(w.all, v)
	return v
}

func (w *weights) add(name string, out, in int) { w.maps[name] = &nn.Linear{W: w.table(name, out, in)} }

func (w *weights) apply(c *op.Ctx, name string, x op.Val) op.Val { return w.maps[name].Apply(c, x) }

// base is what the tiny networks share.
type base struct {
	*weights
	infos []pass.LayerInfo
}

func (b *base) Layers() []pass.LayerInfo               { return b.infos }
func (b *base) Memory(int, tensor.DType) pass.Memory   { return nil }
func (b *base) Weight(layer int, r pass.Role) nn.Layer { return nil }
func (b *base) head(c *op.Ctx, x op.Val, rows []int32) op.Val {
	return b.apply(c, "head", op.Rows(c, x, rows))
}
func (b *base) block(c *op.Ctx, name string, x op.Val) op.Val {
	return op.Add(c, x, b.apply(c, name+".down", op.SiLU(c, b.apply(c, name+".up", x))))
}

// encdec is two encoder layers, a bridge and two decoder layers.
type encdec struct {
	base
	embed, embedTarget *op.Weight
	heads              pass.Heads
}

const (
	edWidth = 12
	edVocab = 20
)

func newEncdec() *encdec {
	n := &encdec{base: base{weights: newWeights(2)}, heads: pass.Heads{Query: 2, KV: 1, Dim: 6}}
	n.embed, n.embedTarget = n.table("embed", edVocab, edWidth), n.table("embed.target", edVocab, edWidth)
	n.infos = []pass.LayerInfo{
		{Name: "enc.0", Width: edWidth, Sites: []pass.Site{pass.ResidPre, pass.Z, pass.ResidPost}},
		{Name: "enc.1", Width: edWidth, Sites: []pass.Site{pass.ResidPre, pass.Z, pass.ResidPost}},
		{Name: "bridge", Width: edWidth},
		{Name: "dec.0", Width: edWidth, Rowwise: true, Side: []pass.Key{"encoder"}, Sites: []pass.Site{pass.ResidPre, pass.Z, pass.ResidPost}},
		{Name: "dec.1", Width: edWidth, Rowwise: true, Side: []pass.Key{"encoder"}, Sites: []pass.Site{pass.ResidPre, pass.Z, pass.ResidPost}},
	}
	for i, l := range n.infos {
		if i == 2 {
			continue
		}
		n.add(l.Name+".q", 12, edWidth)
		n.add(l.Name+".k", 6, edWidth)
		n.add(l.Name+".v", 6, edWidth)
		n.add(l.Name+".o", edWidth, 12)
		n.add(l.Name+".up", 17, edWidth)
		n.add(l.Name+".down", edWidth, 17)
		if i > 2 {
			n.add(l.Name+".cq", 12, edWidth)
			n.add(l.Name+".ck", 6, edWidth)
			n.add(l.Name+".cv", 6, edWidth)
			n.add(l.Name+".co", edWidth, 12)
		}
	}
	n.add("head", edVocab, edWidth)
	return n
}

func (n *encdec) Embed(c *op.Ctx, s *pass.State, ids []int32) error {
	table := n.embed
	if s.Boundary() > 0 {
		table = n.embedTarget
	}
	s.X = op.Embedding(c, table, ids)
	return nil
}

func (n *encdec) Memory(i int, kv tensor.DType) pass.Memory {
	if i < 3 {
		return nil
	}
	return pass.NewKV(n.heads.KV, n.heads.Dim, kv)
}

func (n *encdec) Layer(c *op.Ctx, i int, s *pass.State) error {
	name := n.infos[i].Name
	if i == 2 {
		return n.bridge(c, s)
	}
	x := s.At(pass.ResidPre, s.X)
	q, k, v := n.apply(c, name+".q", x), n.apply(c, name+".k", x), n.apply(c, name+".v", x)
	var z op.Val
	if i < 2 {
		z = s.AttendTo(q, k, v, s.Rows, n.heads) // both ways
	} else {
		z = s.Attend(q, k, v, n.heads)
	}
	x = op.Add(c, x, n.apply(c, name+".o", s.At(pass.Z, z)))
	if i > 2 {
		e := s.Side["encoder"]
		z = s.AttendTo(n.apply(c, name+".cq", x), n.apply(c, name+".ck", e.X), n.apply(c, name+".cv", e.X), e.Rows, n.heads)
		x = op.Add(c, x, n.apply(c, name+".co", z))
	}
	s.X = s.At(pass.ResidPost, n.block(c, name, x))
	return nil
}

// bridge puts the encoder's output aside and starts the second stream.
func (n *encdec) bridge(c *op.Ctx, s *pass.State) error {
	s.Side["encoder"] = s.Stream
	var rows []pass.Row
	var ids []int32
	for _, g := range s.Groups() {
		target, first := s.Target(g)
		for i := range target {
			rows = append(rows, pass.Row{Seq: s.Rows[g.From].Seq, Pos: first + int32(i)})
		}
		ids = append(ids, target...)
	}
	s.SetRows(rows)
	s.X = op.Embedding(c, n.embedTarget, ids)
	return nil
}

func (n *encdec) Head(c *op.Ctx, _ string, s *pass.State, rows []int32) (op.Val, error) {
	return n.head(c, s.X, rows), nil
}

func (n *encdec) Wrap(func(int, pass.Role, nn.Layer) nn.Layer) pass.Net { return n }

// unet takes images [batch, 2, 4, 4] down to [batch, 8] and up again, with
// skips between the sides.
type unet struct{ base }

func newUnet() *unet {
	n := &unet{base{weights: newWeights(3)}}
	sites := []pass.Site{pass.ResidPre, pass.ResidPost}
	n.infos = []pass.LayerInfo{
		{Name: "down.0", Width: 32, Sites: sites},
		{Name: "down.1", Width: 16, Sites: sites, Side: []pass.Key{"skip.0"}},
		{Name: "mid", Width: 8, Sites: sites, Side: []pass.Key{"skip.0", "skip.1"}},
		{Name: "up.1", Width: 8, Sites: sites, Side: []pass.Key{"skip.0", "skip.1"}},
		{Name: "up.0", Width: 16, Sites: sites, Side: []pass.Key{"skip.0"}},
	}
	n.add("down.0", 16, 32)
	n.add("down.1", 8, 16)
	n.add("mid", 8, 8)
	n.add("up.1", 16, 8)
	n.add("up.0", 32, 16)
	n.add("head", 32, 32)
	return n
}

func (n *unet) Embed(c *op.Ctx, s *pass.State, _ []int32) error {
	var x []float32
	for _, g := range s.Groups() {
		if len(g.Seq.Input) != 32 {
			return fmt.Errorf("image of %d numbers", len(g.Seq.Input))
		}
		x = append(x, g.Seq.Input...)
	}
	s.X = c.View(x, len(s.Rows), 2, 4, 4)
	c.Want(s.X)
	return nil
}

func (n *unet) Layer(c *op.Ctx, i int, s *pass.State) error {
	x := s.At(pass.ResidPre, s.X)
	name, batch := n.infos[i].Name, len(s.Rows)
	flat := op.Reshape(c, x, batch, c.Shape(x).Width())
	y := op.SiLU(c, n.apply(c, name, flat))
	skip := func(k pass.Key) op.Val {
		v := s.Side[k].X
		delete(s.Side, k)
		return op.Reshape(c, v, batch, c.Shape(v).Width())
	}
	switch name {
	case "down.0":
		s.Side["skip.0"] = pass.Stream{X: x, Aligned: true}
		y = op.Reshape(c, y, batch, 1, 4, 4)
	case "down.1":
		s.Side["skip.1"] = pass.Stream{X: x, Aligned: true}
	case "up.1":
		y = op.Reshape(c, op.Add(c, y, skip("skip.1")), batch, 1, 4, 4)
	case "up.0":
		y = op.Reshape(c, op.Mul(c, y, skip("skip.0")), batch, 2, 4, 4)
	}
	s.X = s.At(pass.ResidPost, y)
	return nil
}

func (n *unet) Head(c *op.Ctx, _ string, s *pass.State, rows []int32) (op.Val, error) {
	x := op.Rows(c, s.X, rows)
	x = op.Reshape(c, x, len(rows), c.Shape(x).Width())
	if c.Shape(x).Width() != 32 {
		return x, nil
	}
	return n.apply(c, "head", x), nil
}

func (n *unet) Wrap(func(int, pass.Role, nn.Layer) nn.Layer) pass.Net { return n }

// recurrent is three gated linear recurrences.
type recurrent struct {
	base
	embed *op.Weight
}

const rWidth = 10

func newRecurrent() *recurrent {
	n := &recurrent{base: base{weights: newWeights(4)}}
	n.embed = n.table("embed", 16, rWidth)
	for i := range 3 {
		name := fmt.Sprint("rec.", i)
		n.infos = append(n.infos, pass.LayerInfo{Name: name, Width: rWidth, Rowwise: true, Sites: []pass.Site{pass.ResidPre, pass.ResidPost}})
		n.add(name+".a", rWidth, rWidth)
		n.add(name+".x", rWidth, rWidth)
		n.add(name+".o", rWidth, rWidth)
	}
	n.add("head", 16, rWidth)
	return n
}

func (n *recurrent) Embed(c *op.Ctx, s *pass.State, ids []int32) error {
	s.X = op.Embedding(c, n.embed, ids)
	return nil
}

func (n *recurrent) Memory(int, tensor.DType) pass.Memory { return pass.NewRecurrent(rWidth) }

func (n *recurrent) Layer(c *op.Ctx, i int, s *pass.State) error {
	name := n.infos[i].Name
	x := s.At(pass.ResidPre, s.X)
	runs, state, err := s.Recurrent()
	if err != nil {
		return err
	}
	h := op.Scan(c, op.Scale(c, n.apply(c, name+".a", x), 0.3), n.apply(c, name+".x", x), runs, state)
	s.X = s.At(pass.ResidPost, op.Add(c, x, n.apply(c, name+".o", op.SiLU(c, h))))
	return nil
}

func (n *recurrent) Head(c *op.Ctx, _ string, s *pass.State, rows []int32) (op.Val, error) {
	return n.head(c, s.X, rows), nil
}

func (n *recurrent) Wrap(func(int, pass.Role, nn.Layer) nn.Layer) pass.Net { return n }
