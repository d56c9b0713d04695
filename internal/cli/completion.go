package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/store"
	"github.com/spf13/cobra"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

var completionVerb = verb{
	name: "completion", args: "SHELL", maxArgs: 1,
	short: "print a script that completes mica's words in your shell",
	long: `completion prints a script for bash, zsh, fish or powershell, with which the tab
key completes verbs, flags, the models on this machine, layers, methods and files.

bash needs the package bash-completion. To have it in every new shell:

  bash        mica completion bash > ~/.local/share/bash-completion/completions/mica
  zsh         mica completion zsh > "${fpath[1]}/_mica"
  fish        mica completion fish > ~/.config/fish/completions/mica.fish
  powershell  mica completion powershell >> $PROFILE`,
	example: `  source <(mica completion bash)
  mica completion fish | source`,
	run: runCompletion, anyKernels: true,
}

func runCompletion(_ context.Context, c *call) error {
	which := "the shells are " + strings.Join(shells, ", ")
	if len(c.args) == 0 {
		if s := filepath.Base(os.Getenv("SHELL")); slices.Contains(shells, s) {
			which += "; yours looks like " + s
		}
		return usage(which, "no shell")
	}
	// The scripts ask mica itself, so they need nothing but its name.
	root, shell := &cobra.Command{Use: "mica"}, c.args[0]
	var b bytes.Buffer
	var err error
	switch shell {
	case "bash":
		if err = root.GenBashCompletionV2(&b, true); err == nil {
			b = *bytes.NewBuffer(bytes.Replace(b.Bytes(), []byte(colonFirst), []byte(equalsFirst), 1))
		}
	case "zsh":
		err = root.GenZshCompletion(&b)
	case "fish":
		err = root.GenFishCompletion(&b, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(&b)
	default:
		return usage(didYouMean(shell, shells, which), "%s: no such shell", quoted(shell))
	}
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(struct {
			head
			Shell  string `json:"shell"`
			Script string `json:"script"`
		}{c.head(""), shell, b.String()})
	}
	_, err = c.out.Write(b.Bytes())
	return err
}

// bash breaks words at : and =, so the script takes away from its answers what
// stands before the break. In gemfilter:layer=1 the break that counts is the
// last one, and after it has been looked at the other no longer matches. Before
// that come commas: printf %q has quoted them, without need, and readline then
// adds the answer to what was typed.
const (
	colonFirst  = "__mica_handle_special_char \"$cur\" :\n    __mica_handle_special_char \"$cur\" =\n"
	equalsFirst = "COMPREPLY=(\"${COMPREPLY[@]//\\\\,/,}\")\n    __mica_handle_special_char \"$cur\" =\n    __mica_handle_special_char \"$cur\" :\n"
)

// complete offers what may stand as a word after the verb.
func (v *verb) complete(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch {
	case v.name == "tokenizer" && len(args) > 0:
		return nil, cobra.ShellCompDirectiveDefault // files
	case len(args) > 0:
	case v.name == "completion":
		return shells, cobra.ShellCompDirectiveNoFileComp
	case v.name == "pull":
		return store.Names(), cobra.ShellCompDirectiveNoFileComp
	case v.name == "train":
		return nil, cobra.ShellCompDirectiveDefault // a file
	case v.name == "tokenizer":
		return []string{"train"}, cobra.ShellCompDirectiveNoFileComp
	case v.name == "reproduce":
		return papersWithExperiment(), cobra.ShellCompDirectiveNoFileComp
	case slices.Contains(v.flags, "model"):
		return installed(), cobra.ShellCompDirectiveDefault // or a file
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completer offers values of a flag, by what its argument is called in the
// help. Whatever is not here is free text.
func completer(o *option) cobra.CompletionFunc {
	const none = cobra.ShellCompDirectiveNoFileComp
	switch o.arg {
	case "MODEL":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return installed(), cobra.ShellCompDirectiveDefault
		}
	case "FILE":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	case "METHOD":
		table := methods
		if o.key == "kv-cache" {
			table = caches
		}
		return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return completeMethod(table, cmd, args, typed)
		}
	case "METHODS":
		return completeMethods
	case "LIST":
		return completeLayers
	case "SITE":
		return completeSite
	case "FOLDER":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case "KIND":
		return cobra.FixedCompletions([]string{"number", "sandwich"}, none)
	case "MODE":
		return cobra.FixedCompletions([]string{"exact", "fast"}, none)
	case "WHEN":
		return cobra.FixedCompletions([]string{"auto", "always", "never"}, none)
	}
	return cobra.NoFileCompletions
}

// installed are the names of the models on this machine.
func installed() []string {
	s, err := store.Open("")
	if err != nil {
		return nil
	}
	have, _ := s.List() // a damaged one is `mica list`'s to tell of
	var names []string
	for _, m := range have {
		names = append(names, m.Name)
	}
	return names
}

// depthOf is the number of layers of the model that a half-typed line names,
// or 0.
func depthOf(cmd *cobra.Command, args []string) int {
	name := os.Getenv(findOption("model").env())
	if f := cmd.Flags().Lookup("model"); f != nil && f.Changed {
		name = f.Value.String()
	} else if len(args) > 0 {
		name = args[0]
	}
	s, err := store.Open("")
	if err != nil || name == "" {
		return 0
	}
	found, err := s.Resolve(name)
	if err != nil {
		return 0
	}
	m, err := openModel(found)
	if err != nil {
		return 0
	}
	defer m.Close()
	return m.config().Layers
}

func layerNames(depth int) []string {
	var n []string
	for l := range depth {
		n = append(n, strconv.Itoa(l))
	}
	return n
}

// completeLayers offers the layers after the last comma, and what names
// several.
func completeLayers(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	done := typed[:strings.LastIndexByte(typed, ',')+1]
	var out []string
	if depth := depthOf(cmd, args); depth > 0 {
		out = append(layerNames(depth), "0-"+strconv.Itoa(depth-1))
	}
	out = append(out, "-1")
	if done == "" {
		out = append(out, "all")
	}
	return matching(done, out, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeSite offers the sites of a network, with a layer before them if one
// was typed.
func completeSite(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	layer := ""
	if head, _, ok := strings.Cut(typed, "."); ok {
		if _, err := strconv.Atoi(head); err == nil {
			layer = head + "."
		}
	}
	var out []string
	for _, s := range pass.Sites {
		out = append(out, cobra.CompletionWithDesc(s.Name, s.Doc))
	}
	return matching(layer, out, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeMethod offers the methods of a table, then their parameters, then
// what those can be.
func completeMethod(table []method, cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	const open = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	name, rest, ok := strings.Cut(typed, ":")
	var out []string
	if !ok {
		for i := range table {
			out = append(out, cobra.CompletionWithDesc(table[i].name, table[i].usage()))
		}
		return matching("", out, typed), open
	}
	at := slices.IndexFunc(table, func(m method) bool { return m.name == name })
	if at < 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	field := rest[strings.LastIndexByte(rest, ',')+1:]
	done := strings.TrimSuffix(typed, field)
	key, _, valued := strings.Cut(field, "=")
	for _, p := range table[at].params {
		switch {
		case valued && p.name == key && key == "layer":
			out = append(layerNames(depthOf(cmd, args)), "-1")
		case valued && p.name == key:
			out = p.of
		case !valued && !strings.Contains(","+rest, ","+p.name+"="):
			out = append(out, p.name+"=")
		}
	}
	if valued {
		done += key + "="
	}
	return matching(done, out, typed), open
}

// completeMethods offers what [parseMethods] reads: methods of --select and of
// --cache, and after a + the latter only. What stands before the last blank or
// + is done.
func completeMethods(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	at := strings.LastIndexAny(typed, " +") + 1
	done, word := typed[:at], typed[at:]
	name, _, _ := strings.Cut(word, ":")
	tables := [][]method{methods, caches}
	switch {
	case strings.HasSuffix(done, "+"):
		tables = tables[1:]
	case strings.Contains(word, ":") && slices.Contains(methodNames(methods), name):
		tables = tables[:1]
	}
	var out []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for i, table := range tables {
		some, d := completeMethod(table, cmd, args, word)
		for _, s := range some {
			plain, _, _ := strings.Cut(s, "\t")
			if i > 0 && slices.Contains(methodNames(tables[0]), plain) { // the name means that of --select
				continue
			}
			out, directive = append(out, done+s), d
		}
	}
	return out, directive
}

// matching are the words that go on from what was typed, with all of it.
func matching(done string, words []string, typed string) []string {
	var out []string
	for _, w := range words {
		if strings.HasPrefix(done+w, typed) {
			out = append(out, done+w)
		}
	}
	return out
}
