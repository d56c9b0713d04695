// Command mica runs, shows and measures neural networks, one layer at a time.
package main

import (
	"os"

	"github.com/micaml/mica/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
