package lm

import (
	"fmt"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// source gives weights by their name in a GGUF file: a file's own (loader),
// or random ones (randomizer). After a first error it gives anything.
type source interface {
	embedding(name string, rows, width int) *nn.Embedding
	linear(name string, out, in int) nn.Layer
	norm(name string, width int, eps float32) *nn.RMSNorm
	failed() error
}

// assemble makes a network of a source's weights. A tied one uses its
// embedding as the output matrix.
func assemble(c Config, s source, tied bool) (*Llama, error) {
	n := &Llama{Config: c, blocks: make([]block, c.Layers)}
	n.embed = s.embedding("token_embd.weight", c.Vocabulary, c.Width)
	qw, kvw := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	for i := range n.blocks {
		b, at := &n.blocks[i], fmt.Sprintf("blk.%d.", i)
		b.attnNorm = s.norm(at+"attn_norm.weight", c.Width, c.Eps)
		b.mlpNorm = s.norm(at+"ffn_norm.weight", c.Width, c.Eps)
		b.linear = [pass.Unembed]nn.Layer{
			pass.QueryProj:  s.linear(at+"attn_q.weight", qw, c.Width),
			pass.KeyProj:    s.linear(at+"attn_k.weight", kvw, c.Width),
			pass.ValueProj:  s.linear(at+"attn_v.weight", kvw, c.Width),
			pass.OutputProj: s.linear(at+"attn_output.weight", c.Width, qw),
			pass.GateProj:   s.linear(at+"ffn_gate.weight", c.MLP, c.Width),
			pass.UpProj:     s.linear(at+"ffn_up.weight", c.MLP, c.Width),
			pass.DownProj:   s.linear(at+"ffn_down.weight", c.Width, c.MLP),
		}
		if err := s.failed(); err != nil {
			return nil, err
		}
	}
	n.norm = s.norm("output_norm.weight", c.Width, c.Eps)
	n.unembed = &nn.Linear{W: n.embed.W}
	if !tied {
		n.unembed = s.linear("output.weight", c.Vocabulary, c.Width)
	}
	if err := s.failed(); err != nil {
		return nil, err
	}
	// llama.cpp stores query and key rows so that pairs are neighbours.
	n.rotary = op.NewRotary(op.Interleaved, c.HeadDim, c.RopeDim, c.RopeBase)
	n.finish()
	return n, nil
}
