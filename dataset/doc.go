// Package dataset holds examples and the order in which training sees them.
//
//	set, err := dataset.FashionMNIST("", dataset.Train)
//	l, err := dataset.NewLoader(set, dataset.Options{Batch: 128, Seed: 1})
//	defer l.Close()
//	for {
//		b, err := l.Next(ctx) // b.X [128, 28, 28, 1], b.Labels [128], b.Index
//		...
//	}
//
// A [Set] is anything that can be read at any index: pictures in folders
// ([OpenImages]), IDX files ([OpenIDX]), windows of a text ([Windows]; [OpenText] and
// [ReadJSONL] read documents), numbers that a program made ([Make]). The order of an epoch
// depends on the seed and the epoch alone, and [Loader.Position] is two numbers,
// so training that is resumed sees what it would have seen.
//
// Files come from outside: their sizes are compared with what they declare before
// anything is allocated.
package dataset
