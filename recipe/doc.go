// Package recipe turns a JSON file into a training: a network, data, a loss, an
// optimizer and how long it goes.
//
//	r, err := recipe.Read("fashion.json", "steps=2000", "loss=elr:lambda=3")
//	job, err := recipe.Build(r, recipe.Options{})
//	defer job.Close()
//	fmt.Print(job.Plan)               // what is trained, layer by layer, before it is
//	run, err := job.Start("runs/a", recipe.Watch{})
//	defer run.Close()
//	at, err := run.Resume()           // 0, if there is nothing to go on from
//	err = run.Run(ctx)
//	result, err := run.Finish(ctx)    // judges and writes the weights that are kept
//
// The struct [Recipe] is the one definition of what a file may hold: its tags say
// what a field is, its bounds and its default, the reader goes by them, and so does
// the published schema.json. A field that isn't known, a number out of its bounds or a
// setting that its kind doesn't have is an error at a line and a column. Losses,
// optimizers, learning rates and averages are written "name:key=value,key=value", each
// read with one table.
package recipe
