package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/store"
	"github.com/spf13/pflag"
)

var envVerb = verb{
	name:  "env",
	short: "show the settings in force and where they come from",
	long: `env shows every setting that has a flag, what is in force, and where that comes
from: a flag given to env itself, the environment, the configuration file, or the
default, in this order. Then it shows the other variables that count.`,
	example: `  mica env
  mica env --temp 0.7 --json
  MICA_THREADS=2 mica env`,
	flags: distinctFlags(),
	run:   runEnv, anyKernels: true,
}

// distinctFlags are the keys of all options but those of every verb, and of
// flags of one name the first.
func distinctFlags() []string {
	keys, names := []string{}, slices.Clone(everywhere)
	for i := range options {
		o := &options[i]
		if !slices.Contains(everywhere, o.key) && !slices.Contains(names, o.flag()) {
			keys, names = append(keys, o.key), append(names, o.flag())
		}
	}
	return keys
}

// setting is a line of env.
type setting struct {
	Name  string `json:"name"` // of the variable
	Value string `json:"value"`
	From  string `json:"from"` // "flag", "default", the variable, or the path of the file
	Kind  string `json:"kind"` // "flag", "environment", "file", "default"
	Flag  string `json:"flag,omitempty"`
}

func runEnv(_ context.Context, c *call) error {
	// What the flags say is settled; options that share the name of a flag
	// with another are still to come.
	var rest []*option
	for i := range options {
		if _, ok := c.from[options[i].key]; !ok {
			rest = append(rest, &options[i])
		}
	}
	more, err := settle(rest, pflag.NewFlagSet("", pflag.ContinueOnError), c.set)
	if err != nil {
		return err
	}
	var all []setting
	for i := range options {
		o := &options[i]
		from, ok := c.from[o.key]
		if !ok {
			from = more[o.key]
		}
		s := setting{Name: o.env(), Value: o.value(c.set).String(), From: from, Kind: "file", Flag: "--" + o.flag()}
		switch from {
		case fromFlag, fromDefault:
			s.Kind = from
		case o.env():
			s.Kind = "environment"
		}
		all = append(all, s)
	}
	all = append(all, otherVariables()...)
	if c.set.json {
		return c.printJSON(struct {
			head
			Config   string    `json:"config_file"`
			Settings []setting `json:"settings"`
		}{c.head(""), configPath(), all})
	}
	printSettings(c, all)
	return nil
}

func printSettings(c *call, all []setting) {
	narrow := c.outTTY > 0 && c.outTTY < 60
	var rows [][]string
	for _, s := range all {
		v, from := s.Value, s.From
		if v == "" {
			v = "-"
		}
		if s.Kind == fromFlag {
			from = s.Flag
		}
		v = strings.ReplaceAll(harmless(v), "\n", "⏎")
		if narrow { // a line for each, and one more for where it isn't the default
			fmt.Fprintln(c.out, clip(s.Name+" = "+v, c.outTTY))
			if s.Kind != fromDefault {
				fmt.Fprintln(c.out, clip("  from "+from, c.outTTY))
			}
			continue
		}
		rows = append(rows, []string{s.Name, v, from})
	}
	if !narrow {
		table(c.out, c.outTTY, []string{"SETTING", "VALUE", "FROM"}, rows, func(row, col int, cell string) string {
			if row >= 0 && all[row].Kind == fromDefault {
				return paint(c.colorOut, dim, cell)
			}
			return cell
		})
	}
	fmt.Fprintf(c.out, "\nconfiguration file: %s\n", configPath())
}

// otherVariables are those without a flag: where models live, and which
// kernels run.
func otherVariables() []setting {
	dir, err := store.Default()
	if err != nil {
		dir = err.Error()
	}
	tier, err := cpu.Selected()
	kernels := tier.String()
	if err != nil {
		kernels = err.Error()
	}
	var out []setting
	for _, v := range []struct{ name, def string }{
		{"MICA_CACHE", dir}, {cpu.EnvKernels, kernels}, {"MICA_OFFLINE", ""},
		{"HF_HUB_CACHE", ""}, {"HF_HOME", ""}, {"HF_ENDPOINT", ""}, {"HF_HUB_OFFLINE", ""}, {"HF_TOKEN", ""}, {"NO_COLOR", ""},
	} {
		s := setting{Name: v.name, Value: v.def, From: fromDefault, Kind: fromDefault}
		if x := os.Getenv(v.name); x != "" {
			s.From, s.Kind = v.name, "environment"
			switch v.name {
			case "HF_TOKEN":
				s.Value = "(set)" // a secret
			case cpu.EnvKernels: // the error says more
			default:
				s.Value = x
			}
		}
		out = append(out, s)
	}
	return out
}
