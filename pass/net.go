package pass

import (
	"github.com/micaml/mica/nn"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/tensor"
)

// Row is the address of one row of a stream.
type Row struct {
	Seq int32 // index into the pass's sequences
	Pos int32 // position within the sequence, as rotary embedding sees it
}

// Stream is a tensor that crosses a layer boundary, with the addresses of its
// rows: tokens of many sequences packed one after another without padding
// [rows, width], or images [batch, channels, h, w], a row each.
type Stream struct {
	X    op.Val
	Rows []Row
	// Aligned says of a side stream that its rows are those of X: it is
	// tiled, kept and saved with them, and Rows need not be given.
	Aligned bool
}

// Key names a side stream: "skip.3", "encoder".
type Key string

// Net is what a network implements to be run. It holds weights and nothing
// about any sequence, so one Net serves any number of passes at once.
type Net interface {
	// Layers describes the layers, in order.
	Layers() []LayerInfo
	// Embed turns inputs into the stream at a boundary: it sets s.X to one
	// row for each of s.Rows. ids are the tokens of those rows.
	Embed(c *op.Ctx, s *State, ids []int32) error
	// Layer takes the stream from boundary i to boundary i+1.
	Layer(c *op.Ctx, i int, s *State) error
	// Head reads rows of the stream: "logits" -> [len(rows), V].
	Head(c *op.Ctx, name string, s *State, rows []int32) (op.Val, error)
	// Memory makes an empty memory for layer i, or nil if it has none. Keys
	// and values are to be kept as kv (F32 or F16).
	Memory(i int, kv tensor.DType) Memory
	// Weight returns the linear map that plays a role in a layer, or nil.
	Weight(layer int, r Role) nn.Layer
	// Wrap returns a network that shares everything with this one, but for
	// the linear maps that wrap replaces.
	Wrap(wrap func(layer int, r Role, l nn.Layer) nn.Layer) Net
}

// LayerInfo describes a layer and its lower boundary.
type LayerInfo struct {
	Name  string // "dec.3"
	Sites []Site // that the layer offers to watchers and edits, in order
	Side  []Key  // what must cross the lower boundary besides X
	Width int    // of a row of X at the lower boundary
	// Rowwise says that a row of the output depends on the same row of the
	// input, on earlier rows through memory, and on nothing else; so a long
	// prompt may be cut into tiles. It may leave side streams that are aligned
	// with X and no others. Layers that look both ways, and layers that change
	// the rows, are not row-wise.
	Rowwise bool
	// Adapts says that the layer applies its linear maps by [State.Linear], and
	// the head its own by [State.Unembed], so that sequences may carry adapters.
	Adapts bool
}

// Role is the part that a linear map plays in a layer.
type Role uint8

// The roles. Gate, up and down are the three maps of a gated MLP.
const (
	QueryProj Role = iota
	KeyProj
	ValueProj
	OutputProj
	GateProj
	UpProj
	DownProj
	Unembed // of the head; its layer is the depth of the network
)

var roleNames = [...]string{"q", "k", "v", "o", "gate", "up", "down", "unembed"}

func (r Role) String() string { return roleNames[r] }

// Overlay puts wrap around the linear maps of a network: adapters, prompts,
// experts. The base is shared and never changed; it can carry any number of
// overlays.
func Overlay(n Net, wrap func(layer int, r Role, l nn.Layer) nn.Layer) Net { return n.Wrap(wrap) }
