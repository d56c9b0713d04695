package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/internal/cpu"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verb is a thing that mica does.
type verb struct {
	name, args  string // args as in the usage line
	short, long string
	example     string
	alias       string
	flags       []string // keys of options, besides everywhere
	maxArgs     int
	run         func(ctx context.Context, c *call) error
	// anyKernels verbs run even if MICA_KERNELS asks for the impossible.
	anyKernels bool
}

// verbs are all verbs, in the order of the help.
var verbs = []verb{
	demoVerb, runVerb, chatVerb, lensVerb, needleVerb, evalVerb, verifyVerb, benchVerb, trainVerb, tokenizeVerb, tokenizerVerb, templateVerb,
	pullVerb, listVerb, showVerb, checkFileVerb, rmVerb, papersVerb, reproduceVerb, doctorVerb, envVerb, completionVerb, versionVerb,
}

// call is one use of a verb.
type call struct {
	*ui
	set   *settings
	from  origins
	args  []string
	stdin io.Reader
}

// Main runs the command line and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible()
	defer stop()
	return run(ctx, args, stdin, stdout, stderr)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--version" {
		args = append([]string{"version"}, args[1:]...)
	}
	name := ""
	err := checkVerb(args)
	if err == nil {
		root := command(stdin, stdout, stderr, &name)
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitDone
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause // whatever broke, it broke because of that
	}
	f := judge(err)
	fmt.Fprintln(stderr, f.lines(name))
	return f.code
}

// checkVerb tells of an unknown verb before any flag is looked at.
func checkVerb(args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil
	}
	known := []string{"help", "exit-codes"}
	for _, v := range verbs {
		known = append(known, v.name)
		if v.alias != "" {
			known = append(known, v.alias)
		}
	}
	asked := []string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd} // by the scripts of completion
	if slices.Contains(known, args[0]) || slices.Contains(asked, args[0]) {
		return nil
	}
	return usage(didYouMean(args[0], known, "`mica help` lists the verbs"), "%s: no such verb", args[0])
}

const rootLong = `mica runs a language model and shows what happens between its layers.

Start with ` + "`mica demo`" + `: it asks for a fact in a long document with all of
it, with the part that an early layer looks for, and with a memory that forgets.`

// command builds the cobra command. The name of the verb that runs is left
// in name, for messages.
func command(stdin io.Reader, stdout, stderr io.Writer, name *string) *cobra.Command {
	root := &cobra.Command{
		Use: "mica VERB [MODEL] [flags]", Long: reflow(rootLong, helpWidth(stdout)),
		SilenceErrors: true, SilenceUsage: true, DisableSuggestions: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd.HasParent() {
			*name = cmd.Name()
		}
		return flagError(cmd, err)
	})
	root.SetUsageTemplate(strings.ReplaceAll(usageTemplate, "WIDTH", strconv.Itoa(helpWidth(stdout))))
	root.PersistentFlags().BoolP("help", "h", false, "help for the verb")
	cobra.EnableCommandSorting = false
	for i := range verbs {
		root.AddCommand(verbs[i].command(stdin, stdout, stderr, name))
	}
	root.AddCommand(&cobra.Command{Use: "exit-codes", Short: "what the exit codes mean", Long: "Exit codes\n\n" + strings.TrimRight(exitCodesHelp, "\n")})
	return root
}

func (v *verb) command(stdin io.Reader, stdout, stderr io.Writer, name *string) *cobra.Command {
	set := defaults()
	var opts []*option
	for _, key := range append(append([]string(nil), v.flags...), everywhere...) {
		o := findOption(key)
		if slices.ContainsFunc(opts, func(own *option) bool { return own.flag() == o.flag() }) {
			continue // the verb has its own of that name
		}
		opts = append(opts, o)
	}
	cmd := &cobra.Command{
		Use: strings.TrimSpace(v.name + " " + v.args + " [flags]"), Short: v.short, Long: reflow(v.long, helpWidth(stdout)), Example: v.example,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			*name = v.name
			if len(args) > v.maxArgs {
				return usage("`mica "+v.name+" -h` shows the usage; quote text that has spaces", "%q: one word too many", args[v.maxArgs])
			}
			return nil
		},
		ValidArgsFunction: v.complete,
	}
	if v.alias != "" {
		cmd.Aliases = []string{v.alias}
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	for _, o := range opts {
		val := o.value(set)
		short := o.short
		if short != "" && fs.ShorthandLookup(short) != nil {
			short = "" // of env, which has the flags of all verbs
		}
		f := fs.VarPF(named{val, o.arg}, o.flag(), short, o.help)
		if o.arg == "" {
			f.NoOptDefVal = "true"
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, completer(o)) // fails only for a flag that isn't there
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := settle(opts, fs, set)
		if err != nil {
			return err
		}
		if _, err := cpu.Selected(); err != nil && !v.anyKernels {
			return usage("unset "+cpu.EnvKernels+", or set it to one of those", "%w", err)
		}
		c := &call{ui: newUI(stdout, stderr, set.color, set.quiet), set: set, from: from, args: args, stdin: stdin}
		return c.deliver(func() error { return v.run(cmd.Context(), c) })
	}
	return cmd
}

// named is a flag's value whose type is shown as the name of its argument.
type named struct {
	pflag.Value
	arg string
}

func (n named) Type() string {
	if n.arg == "" {
		return "bool" // what pflag shows nothing for
	}
	return n.arg
}

// deliver runs a verb with its result going to standard output or, whole and
// only if all went well, to the file of -o.
func (c *call) deliver(run func() error) error {
	path := c.set.output
	if path == "" || path == "-" {
		return run()
	}
	var b bytes.Buffer
	c.out, c.outTTY, c.colorOut = &b, 0, c.set.color == "always"
	outcome := run()
	if outcome != nil && judge(outcome).code != exitDoesNotHold { // a check that fails has a result too
		return outcome
	}
	if err := atomicfile.WriteBytes(path, 0o644, b.Bytes()); err != nil {
		return failed("name a file in a folder that you can write to", "%w", err)
	}
	return outcome
}

// printJSON writes one document.
func (c *call) printJSON(doc any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

// flagError tells what is wrong with a flag, in mica's words.
func flagError(cmd *cobra.Command, err error) error {
	hint := "`" + cmd.CommandPath() + " -h` lists the flags"
	var unknown *pflag.NotExistError
	var needs *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		flag := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			flag = "-" + unknown.GetSpecifiedName()
		}
		return usage(didYouMean(flag, names, hint), "%s: no such flag", flag)
	case errors.As(err, &needs):
		return usage(hint, "--%s: needs a value", needs.GetFlag().Name)
	case errors.As(err, &invalid):
		return usage(hint, "--%s %s: %w", invalid.GetFlag().Name, quoted(invalid.GetValue()), errors.Unwrap(invalid))
	}
	return usage(hint, "%w", err)
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\n") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

const usageTemplate = `Usage:
  {{if .HasParent}}mica {{end}}{{.Use}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Verbs:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name 12}}{{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped WIDTH | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

` + "`mica help VERB`" + ` tells more; ` + "`mica help exit-codes`" + ` what the exit codes mean.{{else if .HasAvailableLocalFlags}}

Every flag can be set by MICA_<FLAG> or in the configuration file: ` + "`mica env`" + `.{{end}}
`

// stdinIsPiped reports whether something is piped or redirected into the
// program, and not just a terminal or the null device.
func stdinIsPiped(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return r != nil
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice == 0
}

// outputFormat is how the file of -o is written, by the end of its name: one of the
// known formats, or "" for the text that a terminal gets.
func outputFormat(path string, known ...string) (string, error) {
	i := strings.LastIndexByte(path, '.')
	if path == "" || path == "-" || i < 0 {
		return "", nil
	}
	ext := strings.ToLower(path[i+1:])
	switch {
	case slices.Contains(known, ext):
		return ext, nil
	case ext == "txt":
		return "", nil
	}
	return "", usage("end it in ."+strings.Join(known, ", .")+" or .txt", "--output %s: no such format", quoted(path))
}
