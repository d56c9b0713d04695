package lm

import (
	"fmt"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// source gives weights by their name in a GGUF file: a file's own, or random
// ones. After a first error it gives anything.
type source interface {
	weight(name string, p part, rows, cols int) *op.Weight
	// tied says that the embedding is the output matrix too.
	tied() bool
	// layout is how rotary pairs lie in the rows of queries and keys.
	layout(f *family) op.RotaryLayout
	failed() error
}

// part is what a weight is for.
type part uint8

const (
	table  part = iota // rows to look up
	matrix             // of a linear map
	gain               // of a norm
	bias               // of a linear map or a norm
)

// assembly is a network that is being made of a source's weights.
type assembly struct {
	*Decoder
	source
}

// assemble makes a network of a source's weights.
func assemble(c Config, s source) (*Decoder, error) {
	f := familyOf(c.Architecture)
	a := &assembly{&Decoder{Config: c, family: f, blocks: make([]block, c.Layers)}, s}
	a.embed = &nn.Embedding{W: a.take("token_embd.weight", table, c.Vocabulary, c.Width)}
	if f.learned {
		a.positions = &nn.Embedding{W: a.take("position_embd.weight", table, c.Context, c.Width)}
	}
	for i := range a.blocks {
		if a.block(&a.blocks[i], fmt.Sprintf("blk.%d.", i)); s.failed() != nil {
			return nil, s.failed()
		}
	}
	a.norm = a.normOf("output_norm", c.Width)
	a.unembed = &nn.Linear{W: a.embed.W}
	if !s.tied() {
		a.unembed = a.linear("output", c.Vocabulary, c.Width, false)
	}
	if err := s.failed(); err != nil {
		return nil, err
	}
	a.attend(s.layout(f))
	a.finish()
	return a.Decoder, nil
}

func (a *assembly) block(b *block, at string) {
	c, f := &a.Config, a.family
	qw, kvw := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	b.attnNorm = a.normOf(at+"attn_norm", c.Width)
	b.mlpNorm = a.normOf(at+"ffn_norm", c.Width)
	if f.headNorm {
		b.qNorm, b.kNorm = a.normOf(at+"attn_q_norm", c.HeadDim), a.normOf(at+"attn_k_norm", c.HeadDim)
	}
	if f.postNorm {
		b.attnPost, b.mlpPost = a.normOf(at+"post_attention_norm", c.Width), a.normOf(at+"post_ffw_norm", c.Width)
	}
	b.linear[pass.QueryProj] = a.linear(at+"attn_q", qw, c.Width, f.qkvBias)
	b.linear[pass.KeyProj] = a.linear(at+"attn_k", kvw, c.Width, f.qkvBias)
	b.linear[pass.ValueProj] = a.linear(at+"attn_v", kvw, c.Width, f.qkvBias)
	b.linear[pass.OutputProj] = a.linear(at+"attn_output", c.Width, qw, f.bias)
	if f.plain == nil {
		b.linear[pass.GateProj] = a.linear(at+"ffn_gate", c.MLP, c.Width, f.bias)
	}
	b.linear[pass.UpProj] = a.linear(at+"ffn_up", c.MLP, c.Width, f.bias)
	b.linear[pass.DownProj] = a.linear(at+"ffn_down", c.Width, c.MLP, f.bias)
}

// attend makes what layers need to look back.
func (a *assembly) attend(layout op.RotaryLayout) {
	c, f := &a.Config, a.family
	a.Decoder.layout = layout
	a.global.heads = pass.Heads{Query: c.Heads, KV: c.KVHeads, Dim: c.HeadDim}
	if !f.learned {
		a.global.rotary = op.NewRotary(layout, c.HeadDim, c.RopeDim, c.RopeBase)
	}
	if c.Window > 0 {
		a.local.heads = a.global.heads
		a.local.heads.Window = c.Window
		a.local.rotary = op.NewRotary(layout, c.HeadDim, c.RopeDim, c.LocalRopeBase)
	}
}

func (a *assembly) take(name string, p part, rows, cols int) *op.Weight {
	w := a.source.weight(name, p, rows, cols)
	a.weights = append(a.weights, w)
	return w
}

func (a *assembly) linear(name string, out, in int, biased bool) nn.Layer {
	l := &nn.Linear{W: a.take(name+".weight", matrix, out, in)}
	if biased {
		l.B = a.take(name+".bias", bias, 1, out)
	}
	return l
}

func (a *assembly) normOf(name string, width int) norm {
	w := a.take(name+".weight", gain, 1, width)
	if a.family.layerNorm {
		return &nn.LayerNorm{W: w, B: a.take(name+".bias", bias, 1, width), Eps: a.Config.Eps}
	}
	return &nn.RMSNorm{W: w, Eps: a.Config.Eps}
}
