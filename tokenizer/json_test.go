package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// smallJSON is a byte-level tokenizer.json that is right: 256 byte symbols, two
// merges, a control token and one of the user's.
func smallJSON(t testing.TB) map[string]any {
	t.Helper()
	vocab := map[string]any{"th": 256, "the": 257}
	for b, r := range byteSymbols {
		vocab[string(r)] = b
	}
	return reread(t, map[string]any{
		"added_tokens": []any{
			map[string]any{"id": 258, "content": "<|end|>", "special": true},
			map[string]any{"id": 259, "content": "<x>"},
		},
		"normalizer":     nil,
		"pre_tokenizer":  map[string]any{"type": "ByteLevel", "add_prefix_space": false},
		"post_processor": nil,
		"decoder":        map[string]any{"type": "ByteLevel"},
		"model":          map[string]any{"type": "BPE", "vocab": vocab, "merges": []any{"t h", []any{"th", "e"}}},
	})
}

// reread makes of v what encoding/json would.
func reread(t testing.TB, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// gemmaJSON is the cut-down tokenizer.json of Gemma 3.
func gemmaJSON(t testing.TB) map[string]any {
	t.Helper()
	file, _ := family(t, "gemma3")
	return reread(t, json.RawMessage(file))
}

type object = map[string]any

func TestBrokenJSON(t *testing.T) {
	model := func(f object) object { return f["model"].(object) }
	vocab := func(f object) object { return model(f)["vocab"].(object) }
	added := func(f object, i int) object { return f["added_tokens"].([]any)[i].(object) }
	sequence := func(kind string, parts ...any) object { return object{"type": "Sequence", kind: parts} }
	template := func(single ...any) object { return object{"type": "TemplateProcessing", "single": single} }
	text, end := object{"Sequence": object{"id": "A"}}, object{"SpecialToken": object{"id": "<|end|>"}}
	for _, tt := range []struct {
		name string
		edit func(f object)
		want string
	}{
		{"nothing in it", func(f object) { clear(f) }, "tokenizer.json: model: missing"},
		{"model null", func(f object) { f["model"] = nil }, "tokenizer.json: model: missing"},
		{"model a list", func(f object) { f["model"] = []any{} }, "tokenizer.json: model: array where something else is wanted"},
		{"no type", func(f object) { delete(model(f), "type") }, `tokenizer.json: model.type: "" is not supported, "BPE" is`},
		{"WordPiece", func(f object) { model(f)["type"] = "WordPiece" }, `tokenizer.json: model.type: "WordPiece" is not supported, "BPE" is`},
		{"Unigram", func(f object) { model(f)["type"], model(f)["vocab"] = "Unigram", []any{} }, "tokenizer.json: model.vocab: not an object"},
		{"dropout", func(f object) { model(f)["dropout"] = 0.1 }, "tokenizer.json: model.dropout: 0.1 is not supported, ids would change from call to call"},
		{"prefix", func(f object) { model(f)["continuing_subword_prefix"] = "##" }, `tokenizer.json: model.continuing_subword_prefix: "##" is not supported`},
		{"suffix", func(f object) { model(f)["end_of_word_suffix"] = "</w>" }, `tokenizer.json: model.end_of_word_suffix: "</w>" is not supported`},
		{"no vocab", func(f object) { delete(model(f), "vocab") }, "tokenizer.json: model.vocab: missing or empty"},
		{"vocab empty", func(f object) { model(f)["vocab"] = object{} }, "tokenizer.json: model.vocab: missing or empty"},
		{"vocab a list", func(f object) { model(f)["vocab"] = []any{"a"} }, "tokenizer.json: model.vocab: not an object"},
		{"id a text", func(f object) { vocab(f)["th"] = "256" }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"id a fraction", func(f object) { vocab(f)["th"] = 256.5 }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"id negative", func(f object) { vocab(f)["th"] = -1 }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"id huge", func(f object) { vocab(f)["th"] = 1e15 }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"id of 2^64", func(f object) { vocab(f)["th"] = json.Number("18446744073709551872") }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"id null", func(f object) { vocab(f)["th"] = nil }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"id a list", func(f object) { vocab(f)["th"] = []any{1} }, `tokenizer.json: model.vocab: the id of "th" is not an integer from 0 to 2097151`},
		{"a gap", func(f object) { vocab(f)["th"] = 1000 }, `tokenizer.json: model.vocab: "th" has the id 1000, and there are 260 tokens`},
		{"an id twice", func(f object) { vocab(f)["the"] = 256 }, `tokenizer.json: model.vocab: "th" and "the" both have the id 256`},
		{"empty token", func(f object) { vocab(f)[""] = 260 }, "tokenizer.json: model.vocab: an empty token"},
		{"merges an object", func(f object) { model(f)["merges"] = object{} }, "tokenizer.json: model.merges: not a list"},
		{"merge a number", func(f object) { model(f)["merges"] = []any{7} }, `tokenizer.json: model.merges[0]: "7]" where a string is wanted`},
		{"merge of one", func(f object) { model(f)["merges"] = []any{[]any{"t"}} }, "tokenizer.json: model.merges[0]: not two parts"},
		{"merge of three", func(f object) { model(f)["merges"] = []any{"t h", []any{"t", "h", "e"}} }, "tokenizer.json: model.merges[1]: not two parts"},
		{"merge of a number", func(f object) { model(f)["merges"] = []any{[]any{"t", 1}} }, `tokenizer.json: model.merges[0]: "1]]" where a string is wanted`},
		{"merge without a space", func(f object) { model(f)["merges"] = []any{"th"} }, `tokenizer: merges[0]: "th" is not two parts with a space between`},
		{"merge with a space in a part", func(f object) { model(f)["merges"] = []any{[]any{"t h", "e"}} }, `tokenizer: merges[0]: "t h e" is not two parts with a space between`},
		{"merge to nowhere", func(f object) { model(f)["merges"] = []any{"h e"} }, `tokenizer: merges[0]: "he" is not in the vocabulary`},
		{"merge twice", func(f object) { model(f)["merges"] = []any{"t h", []any{"t", "h"}} }, `tokenizer: merges[1]: "t h" comes a second time`},
		{"merge makes a control token", func(f object) {
			added(f, 0)["content"], added(f, 0)["id"] = "th", 256
			added(f, 1)["id"] = 258
		}, `tokenizer: merges[0]: "th" is a special token`},
		{"added without content", func(f object) { delete(added(f, 0), "content") }, "tokenizer.json: added_tokens[0].content: missing or empty"},
		{"added with another id", func(f object) { added(f, 0)["content"] = "th" }, `tokenizer.json: added_tokens[0]: "th" has the id 256 and the id 258`},
		{"added id taken", func(f object) { added(f, 1)["id"] = 258 }, `tokenizer.json: added_tokens[1]: "<|end|>" and "<x>" both have the id 258`},
		{"added id far", func(f object) { added(f, 1)["id"] = 1 << 40 }, `tokenizer.json: added_tokens[1]: "<x>" has the id 1099511627776, and there are 260 tokens`},
		{"added id negative", func(f object) { added(f, 1)["id"] = -3 }, `tokenizer.json: added_tokens[1]: "<x>" has the id -3, and there are 260 tokens`},
		{"single_word", func(f object) { added(f, 1)["single_word"] = true }, `tokenizer.json: added_tokens[1].single_word: set for "<x>", which is not supported`},
		{"lstrip", func(f object) { added(f, 1)["lstrip"] = true }, `tokenizer.json: added_tokens[1].lstrip: set for "<x>", which is not supported`},
		{"rstrip", func(f object) { added(f, 1)["rstrip"] = true }, `tokenizer.json: added_tokens[1].rstrip: set for "<x>", which is not supported`},
		{"unknown token unknown", func(f object) { model(f)["unk_token"] = "<unk>" }, `tokenizer.json: model.unk_token: "<unk>" is not in the vocabulary`},
		{"unknown token needed", func(f object) {
			model(f)["unk_token"] = "<|end|>"
			vocab(f)["other"] = vocab(f)["Ā"]
			delete(vocab(f), "Ā")
		}, `tokenizer.json: model.unk_token: "<|end|>" is not supported in a vocabulary without 'Ā', the symbol of byte 0x00`},
		{"normalizer", func(f object) { f["normalizer"] = object{"type": "Lowercase"} }, "tokenizer.json: normalizer: Lowercase is not supported"},
		{"normalizer of no type", func(f object) { f["normalizer"] = object{} }, "tokenizer.json: normalizer: a part without a type is not supported"},
		{"normalizers", func(f object) {
			f["normalizer"] = sequence("normalizers", object{"type": "NFC"}, object{"type": "Strip"})
		}, "tokenizer.json: normalizer: NFC, Strip is not supported"},
		{"sequence in sequence", func(f object) {
			f["normalizer"] = sequence("normalizers", sequence("normalizers", object{"type": "NFC"}))
		}, "tokenizer.json: normalizer: a Sequence in a Sequence is not supported"},
		{"decoder a number", func(f object) { f["decoder"] = 5 }, "tokenizer.json: decoder: number where something else is wanted"},
		{"normalizers of a number", func(f object) { f["normalizer"] = sequence("normalizers", 5) }, "tokenizer.json: normalizer: normalizers: number where something else is wanted"},
		{"decoder of 70 KB", func(f object) { f["decoder"].(object)["x"] = strings.Repeat("x", 70_000) }, "tokenizer.json: decoder: 70027 bytes, at most 65536 are accepted"},
		{"no pre-tokenizer", func(f object) { f["pre_tokenizer"] = nil }, "tokenizer.json: pre_tokenizer: none is not supported"},
		{"Metaspace", func(f object) { f["pre_tokenizer"] = object{"type": "Metaspace"} }, "tokenizer.json: pre_tokenizer: Metaspace is not supported"},
		{"no regex", func(f object) { f["pre_tokenizer"] = object{"type": "ByteLevel", "use_regex": false} }, "tokenizer.json: pre_tokenizer: ByteLevel(regex false) is not supported"},
		{"prefix space", func(f object) { f["pre_tokenizer"].(object)["add_prefix_space"] = true }, "tokenizer.json: pre_tokenizer: ByteLevel(regex true) with add_prefix_space is not supported"},
		{"regex", func(f object) {
			f["pre_tokenizer"] = sequence("pretokenizers", object{"type": "Split", "pattern": object{"Regex": `\d+`}, "behavior": "Isolated"}, object{"type": "ByteLevel", "use_regex": false})
		}, `tokenizer.json: pre_tokenizer: Split(regex "\\d+", Isolated, invert false), ByteLevel(regex false) is not supported`},
		{"Llama 3 with merges", func(f object) {
			f["pre_tokenizer"] = sequence("pretokenizers", object{"type": "Split", "pattern": object{"Regex": llamaExpression}, "behavior": "Isolated"}, object{"type": "ByteLevel", "use_regex": false})
		}, "tokenizer.json: model.ignore_merges: false is not supported with the pre_tokenizer of Llama 3"},
		{"no decoder", func(f object) { f["decoder"] = nil }, "tokenizer.json: decoder: none is not supported in a byte-level model"},
		{"decoder", func(f object) { f["decoder"] = object{"type": "WordPiece"} }, "tokenizer.json: decoder: WordPiece is not supported in a byte-level model"},
		{"post-processor", func(f object) { f["post_processor"] = object{"type": "BertProcessing"} }, "tokenizer.json: post_processor: BertProcessing is not supported"},
		{"no template", func(f object) { f["post_processor"] = object{"type": "TemplateProcessing"} }, "tokenizer.json: post_processor.single: missing"},
		{"template without text", func(f object) { f["post_processor"] = template(end) }, "tokenizer.json: post_processor.single: no text in it"},
		{"text twice", func(f object) { f["post_processor"] = template(text, text) }, "tokenizer.json: post_processor.single: [1] is neither a special token nor the one text"},
		{"two before", func(f object) { f["post_processor"] = template(end, end, text) }, "tokenizer.json: post_processor.single: [1]: more than one token before or after the text"},
		{"template a number", func(f object) { f["post_processor"] = object{"type": "TemplateProcessing", "single": 5} }, "tokenizer.json: post_processor.single: number where something else is wanted"},
		{"template token", func(f object) { f["post_processor"] = template(object{"SpecialToken": object{"id": "<s>"}}, text) }, `tokenizer.json: post_processor.single: [0]: "<s>" is not in the vocabulary`},
		{"templates", func(f object) { f["post_processor"] = sequence("processors", template(end, text), template(text)) }, "tokenizer.json: post_processor: TemplateProcessing twice"},
		{"byte_fallback without ▁", func(f object) { model(f)["byte_fallback"] = true }, "tokenizer.json: normalizer: none is not supported in a model with byte_fallback"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := smallJSON(t)
			tt.edit(f)
			refused(t, f, tt.want)
		})
	}
	for _, tt := range []struct {
		name string
		edit func(f object)
		want string
	}{
		{"no bytes", func(f object) {
			vocab(f)["<0x8z>"] = vocab(f)["<0x81>"]
			delete(vocab(f), "<0x81>")
		}, `tokenizer: tokens: "<0x81>" is not there, and characters fall back to bytes`},
		{"no merges", func(f object) { model(f)["merges"] = []any{} }, "tokenizer.json: model.merges: missing or empty"},
		{"prepended space", func(f object) {
			f["normalizer"] = sequence("normalizers", object{"type": "Prepend", "prepend": "▁"}, f["normalizer"])
		}, `tokenizer.json: normalizer: Prepend, Replace(" ", "▁") is not supported in a model with byte_fallback`},
		{"split elsewhere", func(f object) { f["pre_tokenizer"].(object)["pattern"] = object{"String": "▁"} }, `tokenizer.json: pre_tokenizer: Split("▁", MergedWithPrevious, invert false) is not supported in a model with byte_fallback`},
		{"decoder", func(f object) { f["decoder"] = object{"type": "ByteFallback"} }, "tokenizer.json: decoder: ByteFallback is not supported in a model with byte_fallback"},
		{"merge of bytes", func(f object) {
			vocab(f)["<0x41><0x42>"] = len(vocab(f))
			f["added_tokens"] = slices.DeleteFunc(f["added_tokens"].([]any), func(a any) bool { return vocab(f)[a.(object)["content"].(string)] == nil })
			model(f)["merges"] = []any{[]any{"<0x41>", "<0x42>"}}
		}, `tokenizer: merges[0]: "<0x41>" is a byte token`},
	} {
		t.Run("gemma3/"+tt.name, func(t *testing.T) {
			f := gemmaJSON(t)
			tt.edit(f)
			refused(t, f, tt.want)
		})
	}
	for text, want := range map[string]string{
		"":                              "tokenizer.json: unexpected end of JSON input",
		"{":                             "tokenizer.json: unexpected end of JSON input",
		"[]":                            "tokenizer.json: array where something else is wanted",
		"{}x":                           "tokenizer.json: invalid character 'x' after top-level value",
		"{\"model\":\"\xff\"}":          "tokenizer.json: not UTF-8",
		strings.Repeat("[", 1e6):        "tokenizer.json: invalid character '[' exceeded max depth",
		`{"model":{"vocab":{"a"`:        "tokenizer.json: unexpected end of JSON input",
		`{"added_tokens":{}}`:           "tokenizer.json: added_tokens: not a list",
		`{"added_tokens":[{"id":1.5}]}`: "tokenizer.json: added_tokens[0]: id: number 1.5 where something else is wanted",
		`{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}`: `tokenizer.json: model.vocab: "a" has the id 0 and the id 1`,
	} {
		if _, err := FromJSON([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
	if _, err := FromJSON(make([]byte, maxJSON+1)); err == nil || err.Error() != "tokenizer.json: 134217729 bytes, at most 134217728 are accepted" {
		t.Errorf("a huge file: %v", err)
	}
}

func refused(t *testing.T, f object, want string) {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromJSON(b); err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %v", err, want)
	}
}

// TestJSONForms: what the same file may look like.
func TestJSONForms(t *testing.T) {
	small := smallJSON(t)
	for name, edit := range map[string]func(f object){
		"as it is": func(f object) {},
		"template": func(f object) {
			f["post_processor"] = object{"type": "TemplateProcessing", "single": []any{
				object{"SpecialToken": object{"id": "<|end|>", "type_id": 0}}, object{"Sequence": object{"id": "A", "type_id": 0}}, object{"SpecialToken": object{"id": "<|end|>"}}}}
		},
		"truncation":    func(f object) { f["truncation"] = object{"max_length": 5} },
		"unknown never": func(f object) { f["model"].(object)["unk_token"] = "<|end|>" },
		"NFC in a list": func(f object) {
			f["normalizer"] = object{"type": "Sequence", "normalizers": []any{object{"type": "NFC"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := reread(t, small)
			edit(f)
			for _, indent := range []string{"", "\t"} {
				b, err := json.MarshalIndent(f, "", indent)
				if err != nil {
					t.Fatal(err)
				}
				bpe := fromJSON(t, b)
				want, text := []int32{257, ' ', 259, 256, '<', '|', 'e', 'n', 'd', '|', '>'}, "the <x>th<|end|>"
				if got := bpe.Decode(want); got != text {
					t.Errorf("Decode = %q", got)
				}
				if name == "template" {
					want = slices.Concat([]int32{258}, want, []int32{258})
				}
				if got := bpe.Encode(text, EncodeOptions{BOS: true, EOS: true}); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
}

func TestReadSpecials(t *testing.T) {
	b, err := json.Marshal(smallJSON(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text, want string
		bos, eos   int32
		add        bool
	}{
		{text: `{}`, bos: None, eos: None},
		{text: `{"bos_token": null, "eos_token": "<|end|>", "add_bos_token": true}`, bos: None, eos: 258},
		{text: `{"bos_token": {"content": "<|end|>", "lstrip": false}, "eos_token": "<x>", "add_bos_token": true}`, bos: 258, eos: 259, add: true},
		{text: `{"bos_token": "<|end|>", "add_bos_token": false}`, bos: 258, eos: None},
		{text: `{"eos_token": "</s>"}`, want: `tokenizer_config.json: eos_token: "</s>" is not in the vocabulary`},
		{text: `{"pad_token": {"content": 3}}`, want: `tokenizer_config.json: {"content": 3} is neither a token's text nor an object with its content`},
		{text: `{"unk_token": [1]}`, want: `tokenizer_config.json: [1] is neither a token's text nor an object with its content`},
		{text: `{"add_bos_token": "yes"}`, want: "tokenizer_config.json: add_bos_token: string where something else is wanted"},
		{text: `{`, want: "tokenizer_config.json: unexpected end of JSON input"},
	} {
		c, err := ConfigFromJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		if err = c.ReadSpecials([]byte(tt.text)); err != nil || tt.want != "" {
			if err == nil || err.Error() != tt.want {
				t.Errorf("%s: error %v, want %q", tt.text, err, tt.want)
			}
			continue
		}
		if c.BOS != tt.bos || c.EOS != tt.eos || c.AddBOS != tt.add {
			t.Errorf("%s: bos %d eos %d add %v", tt.text, c.BOS, c.EOS, c.AddBOS)
		}
		if _, err := NewBPE(c); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
}

// FuzzFromJSON: no file makes FromJSON, or what it returns, fail, and no plain
// text becomes a control token.
func FuzzFromJSON(f *testing.F) {
	b, err := json.Marshal(smallJSON(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, "the <x>th<|end|>")
	vocab := map[string]int{"▁": 256, "a": 257, "▁a": 258, "▁▁": 259}
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = b
	}
	pieces, err := json.Marshal(vocab)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"model":{"type":"BPE","byte_fallback":true,"merges":["▁ a","▁ ▁"],"vocab":`+string(pieces)+`},"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},`+
		`"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"}]},`+
		`"added_tokens":[{"id":259,"content":"▁▁"},{"id":260,"content":"<bos>","special":true}]}`), " a  ▁▁<bos>\xff日")
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"}}`), "abab")
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"\ud800":0,"\u0061":1},"merges":null},"added_tokens":[{"id":2,"content":"é","normalized":true}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"}}`), "e\u0301a")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		bpe, err := FromJSON(b)
		if err != nil {
			return
		}
		for _, o := range []EncodeOptions{{}, {Special: true, BOS: true, EOS: true}} {
			for _, id := range bpe.Encode(text, o) {
				if k := bpe.Kind(id); k == 0 || k == KindControl && !o.Special {
					t.Fatalf("%q has token %d of kind %d", text, id, k)
				}
			}
		}
		for id := range int32(bpe.Len()) {
			p, _ := bpe.Piece(id)
			bpe.ID(p)
		}
	})
}
