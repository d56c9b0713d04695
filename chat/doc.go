// Package chat turns a conversation into the prompt that a model was trained on, by running the model's own chat
// template: the Jinja2 program in GGUF's tokenizer.chat_template, or in chat_template of tokenizer_config.json.
//
// A template is a program from a stranger, so it runs in an interpreter of our own: the existing Go engines were
// measured to differ from Python's Jinja2 on a fifth of the features and more, and none bounds steps, memory or output.
// This one implements the subset that models' templates use, as Hugging Face transformers configures Jinja2
// (trim_blocks, lstrip_blocks, loop controls, the generation tag, tojson without HTML escaping, an immutable sandbox).
// Values are none, booleans, integers, floats, strings, lists and maps and nothing else: there is no attribute
// reflection, no clock but [Input.Now], no file, no host. Every render is limited in steps, output and depth ([Limits]).
//
// # Text that cannot forge control tokens
//
// Text that came with the conversation must never become a control token, or a user could end the turn and write the
// system's. Each string therefore remembers, byte range by byte range, whether it came from the template or from
// outside, through concatenation, slices, trimming, replacement and capture. [Template.Parts] shows it;
// [Template.Segments] cuts the prompt for a tokenizer: control tokens are looked for only in text the template wrote.
//
// # Known differences from Python
//
//   - Integers have 64 bits; going beyond is an error, not a longer number.
//   - safe leaves its value as it is; Python's Markup would HTML-escape what is later joined to it.
//   - map, select, reject and the like are computed at once: what a later change of a namespace would show, or an error
//     after the first item taken, comes out differently.
//   - Inheritance (extends, block, include, import), escape, xmlattr, urlize and other HTML helpers are not there.
package chat
