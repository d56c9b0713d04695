// Package strictjson reads JSON that came from outside: headers of model files,
// shard indexes, configurations.
//
// encoding/json is made to be lenient where such files must not be believed: it
// replaces lone surrogates and broken UTF-8, matches fields in any case, lets
// objects be 10,000 deep, and its token reader allocates for each token and takes
// the end of the text for the end of the document. A [Reader] walks over the bytes
// where they lie, allocates nothing but the strings that are asked for, and stops
// at the first error, which says at which byte it is.
//
// Duplicate keys come out as they stand: a caller keeps the keys of an object in a
// map of its own, and is the one to refuse them.
package strictjson
