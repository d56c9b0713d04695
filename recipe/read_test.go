package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const blobs = `{"network": {"kind": "mlp", "hidden": [8]}, "data": {"kind": "generated", "what": "blobs"}, "steps": 5}`

// with is a recipe with some text in it replaced.
func with(old, new string) string { return strings.Replace(blobs, old, new, 1) }

var broken = []struct{ name, text, want string }{
	{"empty", "", `1:1: want an object, the text ends`},
	{"no JSON", "steps: 5", `1:1: want an object, have 's'`},
	{"array", "[]", `1:1: want an object, have an array`},
	{"cut", blobs[:len(blobs)-1], `1:103: want ',' or '}', the text ends`},
	{"two", blobs + "{}", `1:104: want the end, have '{'`},
	{"misspelt", with(`"steps"`, `"stpes"`), `1:93: unknown field "stpes": did you mean "steps"?`},
	{"on line 3", "{\n \"network\": {\"kind\": \"mlp\",\n  \"hiden\": [8]}}", `3:3: network: unknown field "hiden": did you mean "hidden"?`},
	{"unknown", with(`"steps": 5`, `"x": 5`), `1:93: unknown field "x": known are about, network, data, loss, optimizer, rate, train, adapter, batch, steps, accumulate, clip, seed, average, evaluate, save, checkpointed`},
	{"case", with(`"steps"`, `"Steps"`), `1:93: unknown field "Steps": did you mean "steps"?`},
	{"twice", with(`"steps": 5`, `"steps": 5, "steps": 6`), `1:105: steps is given twice`},
	{"missing", with(`, "steps": 5`, ``), `steps is missing: steps to take`},
	{"no kind", with(`"kind": "mlp", `, ``), `1:2: network.kind is missing: mlp, cnn and vit tell classes; llama is a language model from the start; model is one that there is`},
	{"other kind", with(`"mlp"`, `"mpl"`), `1:22: network.kind: "mpl": did you mean "mlp"?`},
	{"of another kind", with(`"hidden": [8]`, `"hidden": [8], "patch": 4`), `1:44: network.patch: network "mlp" has no such field: it is for vit`},
	{"zero", with(`5}`, `0}`), `1:102: steps: 0 is not from 1 to 1000000000`},
	{"negative", with(`5}`, `-1}`), `1:102: steps: -1 is not from 1 to 1000000000`},
	{"real", with(`5}`, `5.5}`), `1:102: steps: 5.5 is not a whole number that fits`},
	{"huge", with(`5}`, `99999999999999999999}`), `1:102: steps: 99999999999999999999 is not a whole number that fits`},
	{"text for a number", with(`5}`, `"5"}`), `1:102: want a number, have a string`},
	{"infinite", with(`5}`, `5, "clip": 1e999}`), `1:113: clip: 1e999 is out of range`},
	{"no elements", with(`[8]`, `[]`), `1:39: network.hidden: fewer than 1`},
	{"many elements", with(`[8]`, "["+strings.Repeat("8,", 64)+"8]"), `1:39: network.hidden: more than 64`},
	{"element", with(`[8]`, `[8, 0]`), `1:43: network.hidden.1: 0 is not from 1 to 65536`},
	{"method", with(`5}`, `5, "loss": "elf"}`), `1:113: loss: "elf": no such method: did you mean "elr"?`},
	{"setting", with(`5}`, `5, "loss": "elr:lamda=3"}`), `1:113: loss: elr: no setting "lamda"; write it like elr:lambda=3,beta=0.7`},
	{"setting's value", with(`5}`, `5, "loss": "elr:beta=1"}`), `1:113: loss: elr: beta=1 is not from 0 to 0.9999; write it like elr:lambda=3,beta=0.7`},
	{"setting is no number", with(`5}`, `5, "loss": "elr:beta=nan"}`), `1:113: loss: elr: beta=nan is not from 0 to 0.9999; write it like elr:lambda=3,beta=0.7`},
	{"setting missing", with(`5}`, `5, "loss": "forward"}`), `1:113: loss: forward: rate must be given; write it like forward:rate=N`},
	{"deep", strings.Repeat(`{"network":`, 20), `1:13: network: unknown field "network": known are kind, hidden, blocks, patch, layers, width, heads, kv_heads, mlp, context, dropout, path`},
	{"text for pictures", with(`"blobs"`, `"sums"`), `network.kind "mlp" tells classes of numbers, and data.kind "generated: sums" is text`},
	{"pictures for text", with(`"mlp", "hidden": [8]`, `"model", "path": "smollm2"`), `network.kind "model" learns from text, and data.kind "generated: blobs" has none`},
	{"rows for pictures", with(`"mlp", "hidden": [8]`, `"vit", "patch": 4, "layers": 1, "width": 8, "heads": 2`), `network.kind "vit" takes pictures [height, width, channels], and the blobs of data.what are rows of 8 numbers`},
	{"heads", with(`"mlp", "hidden": [8]`, `"vit", "patch": 4, "layers": 1, "width": 8, "heads": 3`), `network: 3 heads don't share a width of 8`},
	{"patience", with(`5}`, `5, "evaluate": {"patience": 3}}`), `evaluate.patience needs evaluate.best, the metric, and evaluate.every`},
	{"not UTF-8", "{\"\xff\"", `1:3: byte 0xff is not UTF-8`},
}

func TestBrokenRecipes(t *testing.T) {
	for _, c := range broken {
		if _, err := Parse([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := Parse(make([]byte, maxFile+1)); err == nil || err.Error() != "more than 1048576 bytes" {
		t.Errorf("too long: %v", err)
	}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || err.Error() != path+": network is missing: what is trained" {
		t.Errorf("file: %v", err)
	}
}

func TestSet(t *testing.T) {
	r, err := Parse([]byte(blobs), "steps=7", "network.hidden.0=9", "loss=elr:lambda=2", "evaluate.every=2", `train=[{"layers":"0"}]`, "train.0.rate=0.5", "network.hidden=[4,5]", "clip=1e-3")
	if err != nil {
		t.Fatal(err)
	}
	if r.Steps != 7 || len(r.Network.Hidden) != 2 || r.Network.Hidden[1] != 5 || r.Loss != "elr:lambda=2" || r.Evaluate.Every != 2 || r.Train[0].Rate != 0.5 || r.Train[0].Layers != "0" || r.Clip != 1e-3 {
		t.Errorf("%+v", r)
	}
	for set, want := range map[string]string{
		"steps":                `set steps: want key=value, such as steps=100 or network.layers=4`,
		"stpes=7":              `set stpes: unknown field "stpes": did you mean "steps"?`,
		"network.hiden=[1]":    `set network.hiden: network: unknown field "hiden": did you mean "hidden"?`,
		"steps=0":              `set steps: 0 is not from 1 to 1000000000`,
		"steps=":               `set steps: want a number, the text ends`,
		"steps=5 6":            `set steps: want the end, have '6'`,
		"steps.x=1":            `set steps.x: steps has no parts`,
		"network.hidden.3=1":   `set network.hidden.3: network.hidden has 1 elements, from 0; set all of it as JSON to have others`,
		"network.kind=vit":     `1:29: network.hidden: network "vit" has no such field: it is for mlp`,
		"loss=elf":             `set loss: "elf": no such method: did you mean "elr"?`,
		"network.patch=4":      `network.patch: network "mlp" has no such field: it is for vit`,
		"network={}":           `network.kind is missing: mlp, cnn and vit tell classes; llama is a language model from the start; model is one that there is`,
		"optimizer=adam:eps=0": `set optimizer: adam: eps=0 is not from 1e-16 to 1; write it like adam:beta1=0.9,beta2=0.999,eps=1e-08,decay=0`,
	} {
		_, err := Parse([]byte(blobs), set)
		var e *Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("--set %s: %v, want %s", set, err, want)
		}
	}
}

// What is written is read back as the same, defaults included.
func TestJSON(t *testing.T) {
	files, err := filepath.Glob("examples/*.json")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		r, err := Read(f)
		if err != nil {
			t.Error(err)
			continue
		}
		again, err := Parse(r.JSON())
		if err != nil || string(again.JSON()) != string(r.JSON()) {
			t.Errorf("%s: %v\n%s", f, err, r.JSON())
		}
	}
	r, err := Parse([]byte(blobs))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "network": {
    "kind": "mlp",
    "hidden": [
      8
    ]
  },
  "data": {
    "kind": "generated",
    "what": "blobs",
    "examples": 4096,
    "noise": 0.3,
    "tokenizer": "bytes",
    "length": 128
  },
  "loss": "cross_entropy",
  "optimizer": "adamw",
  "rate": "cosine",
  "batch": 32,
  "steps": 5,
  "accumulate": 1,
  "seed": 1,
  "evaluate": {
    "share": 0.1
  },
  "save": {
    "keep": 2
  }
}
`
	if s := string(r.JSON()); s != want {
		t.Errorf("%s", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range broken {
		f.Add([]byte(c.text), "steps=3")
	}
	f.Add([]byte(blobs), `train=[{"layers":"0"}]`)
	f.Add([]byte(blobs), `train.0.rate="x"`)
	f.Fuzz(func(t *testing.T, b []byte, set string) {
		r, err := Parse(b, set)
		if err != nil {
			return
		}
		again, err := Parse(r.JSON())
		if err != nil || string(again.JSON()) != string(r.JSON()) {
			t.Fatalf("%v\n%s", err, r.JSON())
		}
	})
}
