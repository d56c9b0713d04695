// Package train is the loop that turns a loss into trained weights.
//
//	loop, err := train.New(task, data, optimizer, train.Options{
//		Steps: 2000, Rate: optim.Cosine{...}, Clip: 1, Seed: 1,
//		Evaluate: func(ctx context.Context) (train.Metrics, error) { ... }, EvaluateEvery: 100,
//		Checkpoints: dir, SaveEvery: 500,
//	})
//	from, err := loop.Resume() // 0, if there is nothing to go on from
//	err = loop.Run(ctx)        // on Ctrl-C saves a checkpoint and returns ctx's error
//
// A [Task] says what is learnt: [Classifier] and [Language] are two for any network
// that implements pass.Net. Its loss is a list of named terms, which the log keeps
// apart. What is trained are the weights whose Grad isn't nil.
//
// A step depends on the seed, the step's number and the batch alone: the same bits
// for any number of threads, and after a resume. A loss or a gradient that isn't
// finite ends the loop before the weights change, with the op and the layer that made
// the first such number.
package train
