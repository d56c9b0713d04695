package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/store"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDoesNotHold = 3
	exitNotFound    = 4
	exitInterrupted = 130
	exitTerminated  = 143
)

const exitCodesHelp = `  0    done
  1    failed
  2    wrong usage
  3    ran, but the check or the claim does not hold
  4    not found, or offline
  130  interrupted (143: terminated)
`

// failure is an error with what follows from it.
type failure struct {
	code int
	err  error
	hint string // the way out, one line
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage is a failure of the one who typed.
func usage(hint, format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...), hint}
}

// failed is a failure at work.
func failed(hint, format string, args ...any) error {
	return &failure{exitFailed, fmt.Errorf(format, args...), hint}
}

// missing is a failure to find something.
func missing(hint, format string, args ...any) error {
	return &failure{exitNotFound, fmt.Errorf(format, args...), hint}
}

// Causes of the end of a verb's context.
var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("terminated")
)

// judge finds the exit code, the reason and the way out of an error.
func judge(err error) *failure {
	var own *failure
	var ofStore *store.Error
	switch {
	case errors.Is(err, errInterrupted):
		return &failure{exitInterrupted, errInterrupted, ""}
	case errors.Is(err, errTerminated):
		return &failure{exitTerminated, errTerminated, ""}
	case errors.Is(err, context.Canceled):
		return &failure{exitInterrupted, errInterrupted, ""}
	case errors.As(err, &own):
		return own
	case errors.As(err, &ofStore):
		return &failure{storeCode(err), err, storeHint(err, ofStore.Hint)}
	case errors.Is(err, keep.ErrArgument):
		return &failure{exitUsage, err, "`mica run -h` lists the methods and their parameters"}
	case errors.Is(err, fs.ErrNotExist):
		return &failure{exitNotFound, err, "check the name"}
	}
	return &failure{exitFailed, err, "run `mica env` to see the settings in force"}
}

func storeCode(err error) int {
	switch {
	case errors.Is(err, store.ErrReference):
		return exitUsage
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrOffline):
		return exitNotFound
	}
	return exitFailed
}

func storeHint(err error, hint string) string {
	switch {
	case strings.HasPrefix(hint, "mica "):
		return "get it with `" + hint + "`"
	case hint != "":
		return hint
	case errors.Is(err, store.ErrOffline):
		return "check the network, or name a file that is on this machine"
	case errors.Is(err, store.ErrMismatch):
		return "pull it again; if that fails too, the source has changed"
	}
	return "`mica list` shows the models on this machine"
}

// lines is how a failure is told: one line, and one with the way out.
func (f *failure) lines(verb string) string {
	name := strings.TrimSpace("mica " + verb)
	// Errors of libraries may have several lines; ours has one.
	what := strings.Join(strings.FieldsFunc(harmless(f.err.Error()), func(r rune) bool { return r == '\n' }), "; ")
	s := name + ": " + what
	if f.hint != "" {
		s += "\n" + strings.Repeat(" ", len(name)+2) + f.hint
	}
	return s
}
