package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// canAsk says whether somebody sits at a terminal who can answer.
func (c *call) canAsk() bool {
	f, ok := c.stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && terminalWidth(c.err) > 0
}

// confirm asks a question on the terminal. Anything but a yes is a no, and so is the end of the input.
func (c *call) confirm(ctx context.Context, question string) (bool, error) {
	c.overwrite("")
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	return readYes(ctx, c.stdin)
}

func readYes(ctx context.Context, r io.Reader) (bool, error) {
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(r, 100)).ReadString('\n') // an error is no answer
		answer <- line
	}()
	select {
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}
