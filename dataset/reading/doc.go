// Package reading makes tasks for models that learn to read: facts hidden in prose and
// questions about them, facts that take two steps, lists, copying and one-line
// instructions. All of it is synthetic but the prose around it.
//
//	g, err := reading.New(texts, reading.Options{Count: count})
//	d := g.Make(reading.Single, 7, 1000, 4) // document 7: about 1,000 tokens, 4 questions
//	ids, targets := coder.Tokens(d)         // a conversation; targets at the answers
//
// A document depends on the options, the seed and its index alone. What evaluations
// use isn't learnt from: one word, name or number in eight, chosen by a hash of its
// letters, is drawn with [Options.Held] alone, and the last wording of every sentence
// and of every question with [Options.HeldWording] alone.
package reading
