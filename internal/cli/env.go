package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/store"
	"github.com/spf13/pflag"
)

var envVerb = verb{
	name:  "env",
	short: "show the settings in force and where they come from",
	long: `env shows every setting that has a flag, what is in force without the flag, and
where that comes from: the environment, the configuration file, or the default.
A flag goes before all of these. Then it shows the other variables that count.`,
	run: runEnv, anyKernels: true,
}

// setting is a line of env.
type setting struct {
	Name  string `json:"name"` // of the variable
	Value string `json:"value"`
	From  string `json:"from"`
	Flag  string `json:"flag,omitempty"`
}

func runEnv(_ context.Context, c *call) error {
	set, opts := defaults(), []*option{}
	for i := range options {
		opts = append(opts, &options[i])
	}
	from, err := settle(opts, pflag.NewFlagSet("", pflag.ContinueOnError), set)
	if err != nil {
		return err
	}
	var all []setting
	for _, o := range opts {
		all = append(all, setting{o.env(), o.value(set).String(), from[o.key], "--" + o.flag()})
	}
	all = append(all, otherVariables()...)
	if c.set.json {
		return c.printJSON(struct {
			head
			Config   string    `json:"config_file"`
			Settings []setting `json:"settings"`
		}{c.head(""), configPath(), all})
	}
	var rows [][]string
	for _, s := range all {
		v := s.Value
		if v == "" {
			v = "-"
		}
		rows = append(rows, []string{s.Name, harmless(v), s.From})
	}
	table(c.out, c.outTTY, []string{"SETTING", "VALUE", "FROM"}, rows, func(row, col int, cell string) string {
		if row >= 0 && all[row].From == fromDefault {
			return paint(c.colorOut, dim, cell)
		}
		return cell
	})
	fmt.Fprintf(c.out, "\nconfiguration file: %s\n", configPath())
	return nil
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
		s := setting{Name: v.name, Value: v.def, From: fromDefault}
		if x := os.Getenv(v.name); x != "" {
			s.From = v.name
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
