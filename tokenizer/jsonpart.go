package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// jsonPart is a normalizer, pre-tokenizer, post-processor or decoder: all the
// fields that any of those has which are known here.
type jsonPart struct {
	Type string `json:"type"`

	// Sequence has its parts under a name of its own for each of the four.
	Normalizers   []jsonPart `json:"normalizers"`
	Pretokenizers []jsonPart `json:"pretokenizers"`
	Processors    []jsonPart `json:"processors"`
	Decoders      []jsonPart `json:"decoders"`

	Pattern struct{ String, Regex string } `json:"pattern"` // Split, Replace
	Content string                         `json:"content"` // Replace

	Behavior         string          `json:"behavior"` // Split
	Invert           bool            `json:"invert"`
	AddPrefixSpace   bool            `json:"add_prefix_space"`  // ByteLevel
	UseRegex         *bool           `json:"use_regex"`         // absent: true
	IndividualDigits bool            `json:"individual_digits"` // Digits
	Single           json.RawMessage `json:"single"`            // TemplateProcessing
}

// readPart returns the parts of a sequence, in order, or the one part, or none.
func readPart(name string, b []byte) ([]jsonPart, error) {
	if len(b) > maxPart {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are accepted", name, len(b), maxPart)
	}
	var p *jsonPart
	if len(b) > 0 {
		if err := unmarshal(b, &p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if p == nil {
		return nil, nil
	}
	if p.Type != "Sequence" {
		return []jsonPart{*p}, nil
	}
	var all []jsonPart
	for _, list := range [][]jsonPart{p.Normalizers, p.Pretokenizers, p.Processors, p.Decoders} {
		for i := range list {
			if list[i].Type == "Sequence" {
				return nil, fmt.Errorf("%s: a Sequence in a Sequence is not supported", name)
			}
		}
		all = append(all, list...)
	}
	return all, nil
}

// String names the part in an error, with all that its meaning depends on here.
func (p jsonPart) String() string {
	switch p.Type {
	case "Split":
		return fmt.Sprintf("Split(%s, %s, invert %v)", p.pattern(), nameOf(p.Behavior), p.Invert)
	case "Replace":
		return fmt.Sprintf("Replace(%s, %q)", p.pattern(), clip(p.Content))
	case "ByteLevel":
		return fmt.Sprintf("ByteLevel(regex %v)", p.UseRegex == nil || *p.UseRegex)
	case "Digits":
		return fmt.Sprintf("Digits(individual %v)", p.IndividualDigits)
	case "":
		return "a part without a type"
	}
	return nameOf(p.Type)
}

// nameOf returns s as it is if it is a name, else quoted.
func nameOf(s string) string {
	for _, r := range s {
		if r != ' ' && (r < '0' || r > 'z') {
			return strconv.Quote(clip(s))
		}
	}
	return clip(s)
}

// pattern is not clipped: an unknown expression is to be seen whole, up to a limit.
func (p jsonPart) pattern() string {
	if p.Pattern.Regex != "" {
		return "regex " + strconv.Quote(p.Pattern.Regex[:min(len(p.Pattern.Regex), 1<<10)])
	}
	return fmt.Sprintf("%q", clip(p.Pattern.String))
}

func describe(parts []jsonPart) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.String()
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

const (
	qwenExpression  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llamaExpression = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// knownPreTokenizers maps the pre-tokenizers of byte-level models, as describe
// writes them, to the name of the same thing in GGUF.
var knownPreTokenizers = map[string]string{
	"ByteLevel(regex true)":                          "gpt-2",
	"Digits(individual true), ByteLevel(regex true)": "smollm",
	"Split(regex " + strconv.Quote(qwenExpression) + ", Isolated, invert false), ByteLevel(regex false)":  "qwen2",
	"Split(regex " + strconv.Quote(llamaExpression) + ", Isolated, invert false), ByteLevel(regex false)": "llama3",
}

// readParts takes what the four parts of the file say, or refuses it.
func (c *Config) readParts(f *jsonFile) error {
	var normalizer, pre, post, decoder []jsonPart
	for _, p := range []struct {
		name string
		b    []byte
		into *[]jsonPart
	}{{"normalizer", f.Normalizer, &normalizer}, {"pre_tokenizer", f.PreTokenizer, &pre}, {"post_processor", f.PostProcessor, &post}, {"decoder", f.Decoder, &decoder}} {
		var err error
		if *p.into, err = readPart(p.name, p.b); err != nil {
			return err
		}
	}
	if c.Model == SentencePiece {
		if got := describe(normalizer); got != `Replace(" ", "▁")` {
			return fmt.Errorf("normalizer: %s is not supported in a model with byte_fallback", got)
		}
		// A text has no spaces any more when this comes to cut it at spaces.
		if got := describe(pre); got != "none" && got != `Split(" ", MergedWithPrevious, invert false)` {
			return fmt.Errorf("pre_tokenizer: %s is not supported in a model with byte_fallback", got)
		}
		if got := describe(decoder); got != `Replace("▁", " "), ByteFallback, Fuse` {
			return fmt.Errorf("decoder: %s is not supported in a model with byte_fallback", got)
		}
		return c.readPostProcessor(post)
	}
	switch got := describe(normalizer); got {
	case "none":
	case "NFC":
		c.NFC = true
	default:
		return fmt.Errorf("normalizer: %s is not supported", got)
	}
	for _, p := range pre {
		if p.AddPrefixSpace {
			return fmt.Errorf("pre_tokenizer: %s with add_prefix_space is not supported", p)
		}
	}
	got := describe(pre)
	name, ok := knownPreTokenizers[got]
	if !ok {
		return fmt.Errorf("pre_tokenizer: %s is not supported", got)
	}
	// Whether a word may be taken whole is said by ignore_merges, not by the name.
	if c.Pre = name; preTokenizers[name].wholeWords && !c.WholeWords {
		return fmt.Errorf("model.ignore_merges: false is not supported with the pre_tokenizer of Llama 3")
	}
	if got := describe(decoder); !strings.HasPrefix(got, "ByteLevel(") || strings.Contains(got, ", ") {
		return fmt.Errorf("decoder: %s is not supported in a byte-level model", got)
	}
	return c.readPostProcessor(post)
}

// readPostProcessor finds the tokens that go before and after a text. ByteLevel,
// as a post-processor, changes only offsets.
func (c *Config) readPostProcessor(parts []jsonPart) error {
	for _, p := range parts {
		switch p.Type {
		case "ByteLevel":
		case "TemplateProcessing":
			if c.AddBOS || c.AddEOS {
				return errors.New("post_processor: TemplateProcessing twice")
			}
			if err := c.readTemplate(p.Single); err != nil {
				return fmt.Errorf("post_processor.single: %w", err)
			}
		default:
			return fmt.Errorf("post_processor: %s is not supported", p)
		}
	}
	return nil
}

func (c *Config) readTemplate(single []byte) error {
	var pieces []struct {
		SpecialToken *struct{ ID string }
		Sequence     *struct{ ID string }
	}
	if len(single) == 0 {
		return errors.New("missing")
	}
	if err := unmarshal(single, &pieces); err != nil {
		return err
	}
	seen := false
	for i, p := range pieces {
		switch {
		case p.Sequence != nil && !seen && p.Sequence.ID == "A":
			seen = true
		case p.SpecialToken == nil:
			return fmt.Errorf("[%d] is neither a special token nor the one text", i)
		case seen && !c.AddEOS:
			c.AddEOS = true
			if err := c.setToken(&c.EOS, p.SpecialToken.ID); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		case !seen && !c.AddBOS:
			c.AddBOS = true
			if err := c.setToken(&c.BOS, p.SpecialToken.ID); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		default:
			return fmt.Errorf("[%d]: more than one token before or after the text", i)
		}
	}
	if !seen {
		return errors.New("no text in it")
	}
	return nil
}

// setToken finds the id of a token by its spelling.
func (c *Config) setToken(into *int32, token string) error {
	for id, s := range c.Tokens {
		if s == token {
			*into = int32(id)
			return nil
		}
	}
	return fmt.Errorf("%q is not in the vocabulary", clip(token))
}
