package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// What a caller can act on; the errors of this package wrap them.
var (
	ErrNotFound  = errors.New("not found")                               // not on this machine, or not at the source
	ErrOffline   = errors.New("offline")                                 // the network is forbidden or out of reach
	ErrMismatch  = errors.New("contents differ from the announced ones") // wrong checksum or size; the bytes were deleted
	ErrReference = errors.New("not a model reference")                   // ParseRef cannot read it
	ErrTerms     = errors.New("its licence has not been accepted")       // see Store.Terms and Store.Accept
)

// An Error says what went wrong with which model, and what to do about it.
type Error struct {
	Ref  string // the reference as the caller wrote it, or a file or folder of the store
	Err  error
	Hint string // one line: what to do, perhaps a command; "" if there is nothing to say
}

func (e *Error) Error() string {
	if e.Ref == "" {
		return e.Err.Error()
	}
	return e.Ref + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// wrap gives err the reference that the caller wrote, and passes on the hint of an *Error inside.
func wrap(ref string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return &Error{Ref: ref, Err: err}
	case e == err && e.Ref == "": // made by find, for whoever asked
		return &Error{Ref: ref, Err: e.Err, Hint: e.Hint}
	}
	return &Error{Ref: ref, Err: err, Hint: e.Hint}
}

// writeError explains why a folder of the store cannot be written to.
func writeError(dir string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is in the sentence already
	}
	hint := "set MICA_CACHE to a folder that you can write to"
	if errors.Is(err, os.ErrNotExist) {
		hint = "create it, or " + hint
	}
	return &Error{Ref: dir, Err: fmt.Errorf("cannot write to the model store: %w", err), Hint: hint}
}
