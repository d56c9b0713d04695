package main

import (
	"bytes"
	"io"
	"path/filepath"

	"github.com/micaml/mica/internal/cli"
	"github.com/micaml/mica/internal/tinymodel"
)

// sweeps is the table of all of them, in the order of the reliability plan.
func sweeps() []sweep {
	list := fuzzSweeps()
	list = append(list,
		table("T2/gguf", "hostile GGUF files, each with the text of its refusal", 120, "files", "./format/gguf", "TestHostileFiles"),
		table("T2/safetensors", "the same for safetensors", 120, "files", "./format/safetensors", "TestHostileFiles"),
		sweep{"T3/real", "the real GGUF model spoiled and opened; every tenth accepted copy runs a token", "spoiled files", 0, startReal},
		sweep{"T3/short", "its twin with 269 tokens; every accepted copy runs a token", "spoiled files", 0, startShort},
		sweep{"T3/safetensors", "the short twin as safetensors, its file spoiled in its folder; every accepted copy runs a token", "spoiled files", 0, startSafetensors},
		sweep{"T3/tiny", "a model of 170 KB; every accepted copy runs a token", "spoiled files", 0, startTiny},
		sweep{"T4", "models of width 32 (256 for K-quants) of each block format, numbers and scales at random, with NaN and Inf, to the last logit", "models run", 5_000_000, startForward},
		table("T5/config", "hostile values in config.json", 80, "values", "./model/lm", "TestHostileConfigs"),
		table("T5/keys", "hostile keys and tensors of GGUF and hostile folders", 80, "models", "./model/lm", "TestHostileModels|TestHostileFamilies|TestHostileFolders"),
		sweep{"T6", "`mica check` and loading say the same of T3/tiny's files", "spoiled files", 0, startCheck},
		lines("T33", "1 MiB of each hostile text: at most 1 s, and at most 2.3 times the time of half of it", 100, 0, "tokenizers and texts", "./tokenizer", "TestHostileTexts"),
		table("T34/payloads", "templates that reach for the host or for too much", 50, "templates", "./chat", "TestHostile"),
		table("T34/forgery", "users that write control tokens", 3, "tests", "./chat", "TestForgery|TestSegments|TestOrigin"),
		fuzz("T34/fuzz", "any template and any user's text: bounded, and no user's letter passes as the template's", 10_000_000, "./chat", "FuzzTemplate"),
		lines("T35", "names that lead elsewhere on Linux, macOS or Windows, in each carrier", 150*6, 0, "names in carriers", "./store", "TestHostileNames"),
		lines("T36", "archives that unpack to too much: disk to the cap and 1 MiB, heap to 64 MiB", 20, 0, "archives", "./store", "TestBombs"),
		lines("T37", "downloads from a Hub that lies: none accepted with a wrong byte, no token elsewhere", 10_000, 200, "downloads", "./store", "TestLyingHub"),
	)
	return list
}

func startReal(e *env) (*attempt, error) {
	good, err := realModel(e)
	if err != nil {
		return nil, err
	}
	return spoilGGUF(e, "real", good, openAndRun(e.tally, 10))
}

func startShort(e *env) (*attempt, error) {
	good, err := realModel(e)
	if err == nil {
		good, err = short(good)
	}
	if err != nil {
		return nil, err
	}
	return spoilGGUF(e, "short", good, openAndRun(e.tally, 1))
}

func startTiny(e *env) (*attempt, error) {
	good, err := tinymodel.Encode()
	if err != nil {
		return nil, err
	}
	return spoilGGUF(e, "tiny", good, openAndRun(e.tally, 1))
}

func spoilGGUF(e *env, name string, good []byte, t target) (*attempt, error) {
	l, err := ggufLayout(good)
	if err != nil {
		return nil, err
	}
	return spoilAll(e, name, filepath.Join(e.work, name+".gguf"), good, l, t)
}

func startSafetensors(e *env) (*attempt, error) {
	good, err := realModel(e)
	if err == nil {
		good, err = short(good)
	}
	if err == nil {
		good, err = safetensorsTwin(e.work, good)
	}
	if err != nil {
		return nil, err
	}
	l, err := safetensorsLayout(good)
	if err != nil {
		return nil, err
	}
	return spoilAll(e, "safetensors", filepath.Join(e.work, "model.safetensors"), good, l, openAndRun(e.tally, 1))
}

func startCheck(e *env) (*attempt, error) {
	good, err := tinymodel.Encode()
	if err != nil {
		return nil, err
	}
	return spoilGGUF(e, "checked", good, agree(func(path string) (int, []byte, string) {
		var out, errs bytes.Buffer
		code := cli.Main([]string{"check", "--json", path}, new(bytes.Reader), &out, io.Writer(&errs))
		return code, out.Bytes(), errs.String()
	}))
}
