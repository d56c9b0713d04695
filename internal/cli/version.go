package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/micaml/mica/internal/cpu"
)

var versionVerb = verb{
	name:  "version",
	short: "show the version of mica and the kernels in use",
	long:  `version shows the version of mica, of Go, the system, and the kernels in use.`,
	run:   runVersion,
}

func runVersion(_ context.Context, c *call) error {
	if c.set.json {
		return c.printJSON(struct {
			head
			Go string `json:"go"`
		}{c.head(""), runtime.Version()})
	}
	_, err := fmt.Fprintf(c.out, "mica %s, %s, %s/%s, kernels %s\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu.Kernels())
	return err
}
