// Package op holds the operations that networks are made of: for each its
// shape check, its forward pass, its gradient and its cost, in one file.
//
// Ops compute in a [Ctx], which owns their results and knows the numeric mode
// and the threads. Without a tape they cost what the arithmetic costs; with
// one (package grad) the same calls are recorded for a backward pass.
//
// Values are float32, row-major, with a row for each token. A [Weight] stays
// in the storage type of its file. Every output has one fixed order of
// additions, so the bits depend neither on threads nor on how many rows come
// at once.
//
// Dimension letters in comments: T rows, D width, H query heads, G KV heads,
// Dh head dimension, F MLP width, V vocabulary.
package op
