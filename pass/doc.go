// Package pass is the narrow waist of mica: a forward pass is a value that a
// program steps through, layer by layer, and every method drives it with
// ordinary code.
//
//	eng := pass.NewEngine(net, pass.Options{Mode: op.Fast})
//	p, err := eng.Begin(seq)                 // embed the prompt
//	err = p.Run(ctx, 0, 13)                  // layers 0..12
//	p.Keep(rows, pass.Compact)               // only these tokens go deeper
//	err = p.Run(ctx, 13, eng.Depth())
//	logits, err := p.Logits(-1)              // of the last row
//	p.End()
//
// Most programs need [Engine.Begin] and [Pass.Run]; [Seq.Watch] and
// [Seq.Edit] reach inside a layer by the name of a site, [Pass.Save] and
// [Engine.Resume] start a span from a stored boundary, and [Overlay] puts
// adapters on a network without touching it.
//
// A network implements [Net]; package model/lm has the language models.
// Package passtest holds every network to the same laws:
// spans run apart equal the whole, save and resume change nothing, sequences
// in one pass equal each alone, an identity edit changes no bit, and
// gradients through spans are the gradients of the whole.
//
// Everything that is computed for a sequence has the same bits for any number
// of threads, any chunking of the prompt, any split of the layers and any
// company in the pass.
package pass
