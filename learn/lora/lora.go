// Package lora trains a few numbers beside a frozen network: low-rank adapters of its
// linear maps, y = W x + (alpha / r) B A x, of which only A [r, in] and B [out, r]
// learn.
//
// Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen, "LoRA: Low-Rank Adaptation of Large
// Language Models", ICLR 2022 (arXiv 2106.09685), and PEFT's code for the initial values.
//
//	a, err := lora.New(base, lora.Settings{Rank: 8, Alpha: 16}, rng)
//	net, err := a.Net(base)       // the base may be quantised: it is read, never changed
//	eng := pass.NewEngine(net, pass.Options{})
//	task := &train.Language{Engine: eng, Trained: nn.Train(a)}
//
// [Adapter.Save] and [Load] use PEFT's folders. A network carries one adapter for all
// its sequences; where each sequence brings its own, put them on the base's sequences,
// pass.Seq.Adapter, and all go through one pass. Both give the same bits.
package lora

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Settings of a new adapter. The zero value is rank 8 on queries and values, as in the
// paper.
type Settings struct {
	Rank  int     // r; 0: 8
	Alpha float64 // 0: twice the rank
	// Roles are the maps that are adapted; nil: queries and values.
	Roles []pass.Role
	// Layers are the layers whose maps are adapted; nil: all. A head is not of any.
	Layers []int
	// RSLoRA divides alpha by the root of the rank (Kalajdzievski 2023).
	RSLoRA bool
	// Dropout is the probability with which numbers of x don't reach A while a [Task]
	// learns.
	Dropout float32
}

// MaxRank is the largest rank.
const MaxRank = 4096

// Named is a network that knows what transformers calls its linear maps; lm.Decoder is
// one. Adapters of others can't be saved in PEFT's format.
type Named interface {
	// Module returns the name of the module that a map is or is part of, and which of
	// its outputs each output of the map is; nil: all, in order.
	Module(layer int, r pass.Role) (name string, outputs []int32)
}

// Adapter is a low-rank adapter of the linear maps of a network. It implements
// pass.Adapter.
type Adapter struct {
	// Base names the model that the adapter is for, as adapter_config.json does.
	Base string

	settings Settings
	depth    int
	products []*product
	at       map[place]*branch
	clock    nn.Clock
}

// place is where a linear map is.
type place struct {
	layer int
	role  pass.Role
}

// product is B A for one module: a linear map, or several that the checkpoint holds
// as one and which then share A.
type product struct {
	module   string // "" if the network has no names
	target   string // what tells the module from others of a layer
	outs     int    // of the module
	a        *op.Weight
	scale    float32
	branches []*branch
}

// branch is what a product adds to one map.
type branch struct {
	place
	*product
	name    string
	b       *op.Weight
	in, out int
	outputs []int32 // of the module; nil: all
	drop    nn.Dropout
}

func (s *Settings) defaults() {
	if s.Rank == 0 {
		s.Rank = 8
	}
	if s.Alpha == 0 {
		s.Alpha = 2 * float64(s.Rank)
	}
	if s.Roles == nil {
		s.Roles = []pass.Role{pass.QueryProj, pass.ValueProj}
	}
}

func (s *Settings) check() error {
	switch {
	case s.Rank < 1 || s.Rank > MaxRank:
		return fmt.Errorf("lora: rank %d is not in [1, %d]", s.Rank, MaxRank)
	case !(math.Abs(s.Alpha) < 1e6):
		return fmt.Errorf("lora: alpha %v", s.Alpha)
	case !(s.Dropout >= 0 && s.Dropout < 1):
		return fmt.Errorf("lora: dropout %v is not in [0, 1)", s.Dropout)
	}
	return nil
}

// scale is alpha / r, or alpha / √r.
func (s *Settings) scale() float32 {
	if s.RSLoRA {
		return float32(s.Alpha / math.Sqrt(float64(s.Rank)))
	}
	return float32(s.Alpha / float64(s.Rank))
}

// New returns an adapter of a network that changes nothing yet: A is uniform up to
// 1/√in and B zero, as PEFT begins. Its weights are called "dec.3.q.lora_A" and
// "dec.3.q.lora_B", after the layer and the role; maps that transformers holds as one
// share A: "dec.3.q+k+v.lora_A".
func New(n pass.Net, s Settings, rng *rand.Rand) (*Adapter, error) {
	s.defaults()
	if err := s.check(); err != nil {
		return nil, err
	}
	layers := n.Layers()
	for _, l := range s.Layers {
		if l < 0 || l >= len(layers) {
			return nil, fmt.Errorf("lora: layer %d: the network has %d (0 to %d)", l, len(layers), len(layers)-1)
		}
	}
	var places []place
	found := map[pass.Role]bool{}
	for i := range len(layers) + 1 {
		if i < len(layers) && s.Layers != nil && !slices.Contains(s.Layers, i) {
			continue
		}
		for r := range pass.Unembed + 1 {
			if slices.Contains(s.Roles, r) && n.Weight(i, r) != nil {
				places, found[r] = append(places, place{i, r}), true
			}
		}
	}
	for _, r := range s.Roles {
		if !found[r] {
			return nil, fmt.Errorf("lora: role %v: the network has no such map%s", r, where(s.Layers))
		}
	}
	a := assemble(n, s, places)
	for _, p := range a.products {
		in := p.branches[0].in
		p.a = nn.Uniform(rng, p.name()+".lora_A", s.Rank, in, 1/math.Sqrt(float64(in)))
		for _, b := range p.branches {
			b.b = nn.Constant(b.name+".lora_B", b.out, s.Rank, 0)
		}
	}
	return a, nil
}

func where(layers []int) string {
	if layers == nil {
		return ""
	}
	return " in these layers"
}

// assemble returns an adapter of places, in order, without weights.
func assemble(n pass.Net, s Settings, places []place) *Adapter {
	layers := n.Layers()
	a := &Adapter{settings: s, depth: len(layers), at: map[place]*branch{}, clock: nn.Clock{Still: true}}
	names, _ := n.(Named)
	modules := map[string]*product{}
	for _, at := range places {
		l := n.Weight(at.layer, at.role)
		b := &branch{place: at, in: l.In(), out: l.Out(), name: "head." + at.role.String()}
		if at.layer < len(layers) {
			b.name = layers[at.layer].Name + "." + at.role.String()
		}
		module := ""
		if names != nil {
			module, b.outputs = names.Module(at.layer, at.role)
		}
		b.product = modules[module]
		if b.product == nil || module == "" {
			b.product = &product{module: module, scale: s.scale()}
			if names != nil {
				b.product.target, b.product.outs = describe(n, names, at.layer, module)
			}
			modules[module] = b.product
			a.products = append(a.products, b.product)
		}
		b.drop = nn.Dropout{P: s.Dropout, Site: uint32(len(a.products)), Clock: &a.clock}
		b.product.branches = append(b.product.branches, b)
		a.at[at] = b
	}
	return a
}

// name is that of the first branch, with the roles of all.
func (p *product) name() string {
	name := p.branches[0].name
	for _, b := range p.branches[1:] {
		name += "+" + b.role.String()
	}
	return name
}

// Settings returns how the adapter was made; Roles and Layers of a loaded one are those
// that it has any weights for.
func (a *Adapter) Settings() Settings { return a.settings }

// Weights returns A and B of all maps, in the order of the layers.
func (a *Adapter) Weights() []*op.Weight {
	var all []*op.Weight
	for _, p := range a.products {
		all = append(all, p.a)
		for _, b := range p.branches {
			all = append(all, b.b)
		}
	}
	return all
}

// Parameters is how many numbers the adapter has.
func (a *Adapter) Parameters() int64 {
	n := int64(0)
	for _, w := range a.Weights() {
		n += int64(w.Rows) * int64(w.Cols)
	}
	return n
}

// ErrMismatch is wrapped by errors about an adapter of another network.
var ErrMismatch = errors.New("lora: the adapter is of another model")

// Net puts the adapter on a network that has the maps it is for: an overlay, which
// shares all of base. base may be an overlay itself.
func (a *Adapter) Net(base pass.Net) (pass.Net, error) {
	if err := a.Fits(base); err != nil {
		return nil, err
	}
	return pass.Overlay(base, func(layer int, r pass.Role, l nn.Layer) nn.Layer {
		if b := a.at[place{layer, r}]; b != nil {
			return &adapted{l, b}
		}
		return l
	}), nil
}

// Fits tells whether a network has the maps that the adapter is for.
func (a *Adapter) Fits(n pass.Net) error {
	var bad []string
	for _, p := range a.products {
		for _, b := range p.branches {
			l := n.Weight(b.layer, b.role)
			switch {
			case l == nil:
				bad = append(bad, b.name+": no such map")
			case l.In() != b.in || l.Out() != b.out:
				bad = append(bad, fmt.Sprintf("%s: the adapter is for %d x %d, the map is %d x %d", b.name, b.out, b.in, l.Out(), l.In()))
			}
		}
	}
	if bad == nil {
		return nil
	}
	if n := len(bad); n > 3 {
		bad = append(bad[:3], fmt.Sprintf("and %d more", n-3))
	}
	return fmt.Errorf("%w: %s", ErrMismatch, strings.Join(bad, "; "))
}
