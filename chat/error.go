package chat

import (
	"errors"
	"fmt"
	"strings"
)

// ErrLimit marks a template that asked for more steps, output, memory or nesting than it may have.
var ErrLimit = errors.New("template limit exceeded")

// Error is a template that does not parse or cannot be rendered, and where. Err is the reason: a [*RaisedError] if the
// template itself refused the conversation, ErrLimit (by errors.Is) if it ran into a limit.
type Error struct {
	Line, Column int // 1-based; columns count bytes
	Err          error
}

func (e *Error) Error() string {
	return fmt.Sprintf("chat template:%d:%d: %v", e.Line, e.Column, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// RaisedError is the template's own raise_exception: the conversation is not one that this model takes.
type RaisedError struct{ Message string }

func (e *RaisedError) Error() string { return "the template refuses the conversation: " + e.Message }

// errorAt places err at a byte offset of the source, unless it has a place already.
func errorAt(src string, off int, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	before := src[:min(off, len(src))]
	line := strings.Count(before, "\n") + 1
	return &Error{Line: line, Column: len(before) - strings.LastIndexByte(before, '\n'), Err: err}
}

func limitf(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, a...))
}
