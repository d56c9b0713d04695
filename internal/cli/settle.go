package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/micaml/mica/internal/spell"
)

// Where a setting can come from besides its flag, strongest first.
const (
	fromFlag    = "flag"
	fromDefault = "default"
)

// origins tells where each setting came from, by key.
type origins map[string]string

// settle completes what the flags say: environment, then configuration file,
// then default.
func settle(opts []*option, fs *pflag.FlagSet, s *settings) (origins, error) {
	path, file, err := readConfigFile()
	if err != nil {
		return nil, err
	}
	from := origins{}
	for _, o := range opts {
		v := o.value(s)
		if f := fs.Lookup(o.flag()); f != nil && f.Changed {
			from[o.key] = fromFlag
			continue
		}
		from[o.key] = fromDefault
		if x, ok := os.LookupEnv(o.env()); ok && x != "" {
			if err := v.Set(x); err != nil {
				return nil, usage("set it to what --"+o.flag()+" takes, or unset it", "%s=%q: %w", o.env(), x, err)
			}
			from[o.key] = o.env()
			continue
		}
		if x, ok := file[o.key]; ok {
			if err := v.Set(x); err != nil {
				return nil, usage("edit "+path, "%s: %q: %q: %w", path, o.key, x, err)
			}
			from[o.key] = path
		}
	}
	return from, nil
}

// configPath is where the configuration file is looked for, or "".
func configPath() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "mica", "config.json")
}

// readConfigFile reads the configuration file, if there is one: a JSON object
// whose keys are those of [options] and whose values are strings, numbers or
// booleans. Anything else in it is an error: a setting with a typing mistake
// would otherwise be ignored without a word.
func readConfigFile() (path string, values map[string]string, err error) {
	path = configPath()
	if path == "" {
		return "", nil, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil, nil
	}
	if err != nil {
		return path, nil, failed("make it readable, or move it away", "configuration file: %w", err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return path, nil, usage(`it holds one JSON object such as {"threads": 2}`, "%s: %w", path, err)
	}
	values = map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(raw)) {
		if findOption(k) == nil {
			return path, nil, usage(didYouMean(k, optionKeys(), "`mica env` lists the settings"), "%s: %q: no such setting", path, k)
		}
		v, err := scalar(raw[k])
		if err != nil {
			return path, nil, usage("edit "+path, "%s: %q: %w", path, k, err)
		}
		values[k] = v
	}
	return path, values, nil
}

func scalar(raw json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return fmt.Sprint(v), nil
	}
	return "", errors.New("not a string, a number, true or false")
}

func optionKeys() []string {
	var k []string
	for _, o := range options {
		k = append(k, o.key)
	}
	return k
}

// didYouMean suggests the nearest of the known words, or says otherwise.
func didYouMean(word string, known []string, otherwise string) string {
	best, at := "", 3
	for _, k := range known {
		if d := spell.Distance(word, k); d < at && d < len(k) {
			best, at = k, d
		}
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "? " + otherwise
}
