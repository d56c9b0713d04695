package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/store"
)

var versionVerb = verb{
	name:  "version",
	short: "show the version of mica and the kernels in use",
	long: `version shows the version of mica, of Go, the system, the kernels in use, how many
cores there are, and the folder of the models.`,
	run: runVersion,
}

func runVersion(_ context.Context, c *call) error {
	folder, err := store.Default()
	if err != nil {
		folder = err.Error() // no reason to hide the version
	}
	if c.set.json {
		return c.printJSON(struct {
			head
			Go     string `json:"go"`
			Folder string `json:"models_folder"`
		}{c.head(""), runtime.Version(), folder})
	}
	_, err = fmt.Fprintf(c.out, "mica %s, %s, %s/%s, kernels %s\ncores %d, models in %s\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu.Kernels(),
		runtime.NumCPU(), folder)
	return err
}
