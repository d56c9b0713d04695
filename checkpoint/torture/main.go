// Torture trains a small network in a process that is killed again and again, as
// kill -9 does, while it checkpoints every 50 ms, and starts it anew each time until
// it ends. Nothing that was saved may be lost, each life must begin with exactly
// the bits that were saved, and the weights at the end must be those of a training
// that was never killed.
//
//	go run ./checkpoint/torture -kills 2000 -o checkpoint/RESULTS.md
//
// The exit status is 3 if a promise was broken.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func run() error {
	kills := flag.Int("kills", 200, "how often to kill at least")
	steps := flag.Int("steps", 12000, "steps of one training")
	out := flag.String("o", "", "write the results to this file as well")
	child := flag.String("child", "", "train in this folder: what the command calls itself with")
	seed := flag.Uint64("seed", 1, "seed of the training")
	flag.Parse()
	if *child != "" {
		return train(os.Stdout, *child, *seed, *steps)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	begin := time.Now()
	r := &result{}
	for s := *seed; r.kills < *kills; s++ {
		if err := r.torture(self, s, *steps); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%d of %d kills\n", r.kills, *kills)
	}
	text := r.report(*steps, time.Since(begin))
	fmt.Print(text)
	if *out != "" {
		err := atomicfile.Write(*out, 0o644, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
		if err != nil {
			return err
		}
	}
	if r.broken() {
		os.Exit(3)
	}
	return nil
}

// report writes the results as Markdown.
func (r *result) report(steps int, took time.Duration) string {
	return fmt.Sprintf(`# Results

Written by %[1]sgo run ./checkpoint/torture -kills N -o checkpoint/RESULTS.md%[1]s, %[2]s UTC, %[3]s, %[4]s/%[5]s, %[6]d cores.

A process that trains a small network (%[7]d steps, AdamW with 8-bit state, a running
average of the weights, gradients of two micro-batches, a schedule) and checkpoints
every 50 ms is killed after 1 to 150 ms and started anew until it ends; then the
next training begins. A killed process loses nothing that the operating system has
already been given: crashes of the machine are simulated by the tests of the package
(%[1]sgo test ./checkpoint -run TestCrash -crashes 12000 -v%[1]s).

| | |
|---|---|
| kills | %[8]d |
| kills after which training went on from a checkpoint | %[9]d |
| kills while a checkpoint was being written | %[10]d |
| checkpoints saved | %[11]d |
| checkpoints lost | %[12]d |
| resumes with other bits than were saved | %[13]d |
| trainings | %[14]d |
| trainings that ended with other bits than without kills | %[15]d |
| time | %[16]v |
`, "`", time.Now().UTC().Format("2006-01-02 15:04"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		steps, r.kills, r.resumed, r.inSave, r.saved, r.lost, r.torn, r.trainings, r.different, took.Round(time.Second))
}
