package vision_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/micaml/mica/model/vision"
	"github.com/micaml/mica/pass"
)

// A picture goes through the first layer alone, then through the rest.
func Example() {
	n, err := vision.NewCNN(rand.New(rand.NewPCG(1, 1)), vision.CNN{Height: 8, Width: 8, Channels: 1, Classes: 3,
		Blocks: []vision.Block{{Channels: 4}, {Channels: 6, Stride: 2}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	eng := pass.NewEngine(n, pass.Options{})
	defer eng.Close()
	p, err := eng.Begin(&pass.Seq{Input: make([]float32, 8*8)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.End()
	ctx := context.Background()
	if err := p.Run(ctx, 0, 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the second layer takes", n.Layers()[1].Width, "numbers of a picture")
	if err := p.Run(ctx, 1, eng.Depth()); err != nil {
		fmt.Println(err)
		return
	}
	logits, err := p.Logits(0)
	fmt.Println(len(logits), "classes", err)
	// Output:
	// the second layer takes 256 numbers of a picture
	// 3 classes <nil>
}
