package lm

import (
	"fmt"
	"strings"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// parts are the names of linear maps in a GGUF file.
var parts = [...]string{pass.QueryProj: "attn_q", pass.KeyProj: "attn_k", pass.ValueProj: "attn_v", pass.OutputProj: "attn_output",
	pass.GateProj: "ffn_gate", pass.UpProj: "ffn_up", pass.DownProj: "ffn_down", pass.Unembed: "output"}

// Module returns what transformers calls the module that a linear map of [Decoder.Weight]
// is or is part of, "model.layers.3.self_attn.q_proj", and which of its outputs each
// output of the map is: those of a fused module, or of one whose rotary pairs lie
// otherwise. nil means all, in order. There is no name where there is no such map.
func (n *Decoder) Module(layer int, r pass.Role) (name string, outputs []int32) {
	if n.Weight(layer, r) == nil {
		return "", nil
	}
	part, f := parts[r], n.family
	if r != pass.Unembed {
		part = fmt.Sprintf("blk.%d.%s", layer, part)
	}
	before, which, after := cutFused(f, part+".weight")
	if which >= 0 {
		part = before + "attn_qkv" + after
	} else {
		part = before
	}
	name = strings.TrimSuffix(f.names.name(strings.TrimSuffix(part, ".weight")+".weight"), ".weight")
	c := &n.Config
	switch {
	case which >= 0:
		for h := range c.Heads {
			from := (which*c.Heads + h) * c.HeadDim
			if f.headByHead {
				from = (3*h + which) * c.HeadDim
			}
			for i := range c.HeadDim {
				outputs = append(outputs, int32(from+i))
			}
		}
	case n.layout == op.Interleaved && (r == pass.QueryProj || r == pass.KeyProj):
		for i := range n.Weight(layer, r).Out() {
			outputs = append(outputs, int32(halved(i, c.HeadDim)))
		}
	}
	return name, outputs
}

// halved returns where row i of queries or keys, whose rotary pairs are neighbours,
// lies if they are the halves of a head of dim.
func halved(i, dim int) int { return i/dim*dim + i%dim%2*(dim/2) + i%dim/2 }
