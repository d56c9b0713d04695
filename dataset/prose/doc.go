// Package prose finds English that is on any machine with Go on it: the comments of
// the standard library, and Newton's Opticks, which the Go repository carries.
//
//	c, err := prose.Load(prose.Options{})
//	c.Train // texts to learn from
//	c.Held  // texts of other files, to be judged by
//
// What is prose in a comment is what people wrote as sentences: code, lists, tables and
// directives are left out. Files are held back whole, chosen by a hash of their names.
// [Corpus.Digest] says whether two machines have the same texts: it depends on the
// version of Go.
package prose
