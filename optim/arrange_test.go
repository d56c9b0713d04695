package optim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
)

// decoder has the names of a model of four layers.
func decoder() []*op.Weight {
	var all []*op.Weight
	add := func(name string, rows, cols int) {
		all = append(all, op.NewWeight(name, tensor.FromFloat32(rows, cols, make([]float32, rows*cols))))
	}
	add("token_embd.weight", 100, 64)
	for l := range 4 {
		add(fmt.Sprintf("blk.%d.attn_norm.weight", l), 1, 64)
		add(fmt.Sprintf("blk.%d.attn_q.weight", l), 64, 64)
		add(fmt.Sprintf("blk.%d.ffn_up.weight", l), 128, 64)
	}
	add("output_norm.weight", 1, 64)
	return all
}

func TestArrange(t *testing.T) {
	w := decoder()
	p, err := optim.Arrange(w,
		optim.Group{Name: "gains", Match: []string{"*norm.weight"}, Layers: "2-3", Rule: optim.SGD{}, Rate: 10},
		optim.Group{Name: "frozen", Match: []string{"*attn_q*"}, Layers: "3"},
		optim.Group{Name: "maps", Match: []string{"blk.*.attn_q.weight", "*.ffn_up.*"}, Layers: "1,-1", Rule: optim.AdamW{Bytes: true}},
	)
	if err != nil {
		t.Fatal(err)
	}
	const want = `  layer  weights  trained     of    share     memory  groups
      -        0        0   6464   0.00 %        0 B
      0        0        0  12352   0.00 %        0 B
      1        2    12288  12352  99.48 %  120.4 KiB  maps
      2        1       64  12352   0.52 %      512 B  gains
      3        2     8256  12352  66.84 %   80.8 KiB  gains, maps
    all        5    20608  55872  36.88 %  201.6 KiB
`
	if got := p.String(); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
	w[1].Train() // of an earlier plan
	g, err := p.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var trained []string
	for _, w := range w {
		if w.Grad != nil {
			trained = append(trained, w.Name)
			w.Grad[0] = 1
		}
	}
	if want := []string{"blk.1.attn_q.weight", "blk.1.ffn_up.weight", "blk.2.attn_norm.weight", "blk.3.attn_norm.weight", "blk.3.ffn_up.weight"}; !slices.Equal(trained, want) {
		t.Errorf("%v are trained, want %v", trained, want)
	}
	// The bytes of the table are those that are there.
	state := 0
	for _, s := range g.State().Slots {
		state += 4*len(s.Data) + len(s.Bytes)
	}
	rows := p.Rows()
	sum, numbers := int64(0), 0
	for _, r := range rows {
		sum += r.Bytes
		numbers += r.Trained
	}
	if sum != int64(state+8*numbers) {
		t.Errorf("%d bytes in the table, %d in fact", sum, state+8*numbers)
	}
	if n := g.Clip(100); n*n < 4.99 || n*n > 5.01 {
		t.Errorf("norm %v, want the root of 5", n)
	}
	g.Step(0.5)
	if x, _ := w[7].F32(); x[0] != -5 {
		t.Errorf("a gain of ten times the rate moved by %v, want -5", x[0])
	}
	if x, _ := w[5].F32(); x[0] > -0.49 || x[0] < -0.51 {
		t.Errorf("a map moved by %v, want -0.5", x[0])
	}
}

// Groups resume with the same bits.
func TestGroupsResume(t *testing.T) {
	w := decoder()
	build := func() *optim.Groups {
		p, err := optim.Arrange(w, optim.Group{Name: "gains", Match: []string{"*norm*"}, Rule: optim.SGD{Momentum: 0.9}},
			optim.Group{Name: "rest", Rule: optim.AdamW{Bytes: true}})
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	run := func(stop int) []uint32 {
		for _, w := range w {
			w.Storage, w.Grad = tensor.FromFloat32(w.Rows, w.Cols, make([]float32, w.Rows*w.Cols)), nil
		}
		g := build()
		for step := range 6 {
			if step == stop {
				old := g.State()
				g = build()
				if err := g.Restore(old); err != nil {
					t.Fatal(err)
				}
			}
			for i, w := range w {
				for j := range w.Grad {
					w.Grad[j] = float32((step*31+i*7+j*13)%17) - 8
				}
			}
			g.Clip(10)
			g.Step(0.01)
			g.Zero()
		}
		return bits(w)
	}
	if !slices.Equal(run(3), run(-1)) {
		t.Error("resumed training gives other bits")
	}
	if err := build().Restore(optim.State{}); fmt.Sprint(err) != `groups: optim: state "blk.0.attn_norm.weight/velocity" is missing` {
		t.Errorf("error %v", err)
	}
}

func TestArrangeErrors(t *testing.T) {
	w := decoder()
	half, err := tensor.NewStorage(tensor.F16, 1, 2, make([]byte, 4))
	if err != nil {
		t.Fatal(err)
	}
	sgd := optim.SGD{}
	for _, c := range []struct {
		weights []*op.Weight
		groups  []optim.Group
		want    string
	}{
		{w, []optim.Group{{Match: []string{"blk.*.atn_q.weight"}}}, `pattern "blk.*.atn_q.weight" fits no weight; near are blk.*.attn_q.weight, blk.*.ffn_up.weight, blk.*.attn_norm.weight`},
		{w, []optim.Group{{Match: []string{"*attn_q*", "lm_head*"}}}, `pattern "lm_head*" fits no weight; near are `},
		{w, []optim.Group{{Match: []string{"[a"}}}, `pattern "[a": a [ without its ], or a \ at the end`},
		{w, []optim.Group{{Match: []string{"token*"}, Layers: "all"}}, `pattern "token*" fits no weight in layers all, but 1 elsewhere`},
		{w, []optim.Group{{Layers: "2-9"}}, `layers "2-9": want 0-11, 4,8, -1 (the last) or all, within 0 to 3`},
		{w, []optim.Group{{Layers: "3-2"}}, `layers "3-2": want`},
		{w, []optim.Group{{Layers: "1,"}}, `layers "1,": want`},
		{w, []optim.Group{{Layers: "-5"}}, `layers "-5": want`},
		{w[:1], []optim.Group{{Layers: "0"}}, `layers "0": no weight's name has a layer's number`},
		{nil, []optim.Group{{}}, `pattern "*" fits no weight; there are no weights`},
		{w, []optim.Group{{Name: "a"}, {Name: "g", Match: []string{"*q*"}}}, `group "a" before it has taken all its weights: the first group that fits gets a weight`},
		{w, []optim.Group{{Rule: optim.SGD{Momentum: 2}}}, `optim: SGD with momentum 2 and decay 0`},
		{append(w, op.NewWeight("h", half)), []optim.Group{{Rule: sgd}}, `weight "h" is F16: only float32 can be trained`},
	} {
		c.groups[len(c.groups)-1].Name = "g"
		_, err := optim.Arrange(c.weights, c.groups...)
		want := `optim: group "g": ` + c.want
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
}

// The last layers are trained, without decay for what is one-dimensional.
func ExampleArrange() {
	p, err := optim.Arrange(decoder(),
		optim.Group{Name: "gains", Match: []string{"*norm*"}, Layers: "2-3", Rule: optim.AdamW{}},
		optim.Group{Name: "maps", Layers: "2-3", Rule: optim.AdamW{Decay: 0.1, Bytes: true}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p)
	_, err = optim.Arrange(decoder(), optim.Group{Name: "maps", Match: []string{"blk.*.atn_q.weight"}, Rule: optim.AdamW{}})
	fmt.Println(err)
	// Output:
	//   layer  weights  trained     of     share     memory  groups
	//       -        0        0   6464    0.00 %        0 B
	//       0        0        0  12352    0.00 %        0 B
	//       1        0        0  12352    0.00 %        0 B
	//       2        3    12352  12352  100.00 %  121.4 KiB  gains, maps
	//       3        3    12352  12352  100.00 %  121.4 KiB  gains, maps
	//     all        6    24704  55872   44.22 %  242.8 KiB
	// optim: group "maps": pattern "blk.*.atn_q.weight" fits no weight; near are blk.*.attn_q.weight, blk.*.ffn_up.weight, blk.*.attn_norm.weight
}
