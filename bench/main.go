// Command bench measures mica beside other programs on this machine and writes
// what it finds to bench/results/, bench/RESULTS.md and bench/*.svg.
//
// bench/run.sh starts it. Every row of the table is a struct (rows_*.go): the series
// that do the same work, how often, and what the row is judged by. Series take
// turns, one run of each after the other, so that a machine that speeds up or
// slows down does so for all; only one of them works at a time. The table has
// medians.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		if errors.Is(err, context.Canceled) {
			os.Exit(130)
		}
		os.Exit(1)
	}
}

const usage = `bench measures mica beside other programs.

Usage: go run ./bench [flags] [run | list | models | profile | report]

  run      measure, then report (what you get without a word)
  list     print the rows and about how long each takes
  models   make the model files
  profile  write PROFILE.md: where the time goes, by op
  report   write RESULTS.md and the pictures from the results at hand

`

// settings are the flags.
type settings struct {
	dir, cache, limits, name string
	only                     *regexp.Regexp
	quick, resume            bool
}

func command(ctx context.Context, args []string) error {
	var s settings
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	fs.StringVar(&s.dir, "dir", "bench", "`folder` of the benchmarks, where results go")
	fs.StringVar(&s.cache, "cache", filepath.Join(cache, "mica-bench"), "`folder` of the peers and the model files")
	fs.StringVar(&s.limits, "limits", "", "`program` that prints the machine's limits as JSON, given a number of threads; without one, mica's own kernels measure them")
	fs.StringVar(&s.name, "machine", "", "`name` of the machine in results/NAME.json; without one, the processor's")
	only := fs.String("only", "", "run the rows that match `pattern`, a regular expression")
	fs.BoolVar(&s.quick, "quick", false, "one run of each series and no row of more than a few seconds: checks the machinery")
	fs.BoolVar(&s.resume, "resume", false, "keep rows that have a result")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if s.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	b, err := newBench(s)
	if err != nil {
		return err
	}
	defer b.close()
	switch word := fs.Arg(0); word {
	case "", "run":
		err := b.run(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		return errors.Join(err, b.report()) // of what is done, after Ctrl-C too
	case "list":
		b.list()
		return nil
	case "models":
		_, err := makeModels(s.cache, b.say)
		return err
	case "profile":
		return b.profile(ctx)
	case "spin": // the busy neighbour of a scenario
		for {
		}
	case "report":
		return b.report()
	default:
		return fmt.Errorf("%q is not run, list, models, profile or report", word)
	}
}
