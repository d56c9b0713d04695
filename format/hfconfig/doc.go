// Package hfconfig reads config.json, the file in which Hugging Face's models say
// how they are built, and its kin generation_config.json and adapter_config.json.
//
// [Parse] is strict where encoding/json is not: duplicate keys, broken UTF-8,
// deep nesting and large files are errors, and what is wrong is reported as a
// [*FormatError]. The getters of a [Config] never guess: a string is no number, and
// 4096.0 is no integer. Whether the numbers make a model is for its loader to
// decide.
package hfconfig
