package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"
)

// result counts what happened.
type result struct {
	kills, resumed, inSave, saved, trainings int
	lost, torn, different                    int // promises broken
}

func (r *result) broken() bool { return r.lost+r.torn+r.different > 0 }

// torture runs one training to its end, with kills on the way.
func (r *result) torture(self string, seed uint64, steps int) error {
	folder, err := os.MkdirTemp("", "torture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	want, err := straight(seed, steps)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	last, prints := -1, map[int]string{} // the newest step that was saved, and its bits
	for lives := 0; ; lives++ {
		if lives > 100+steps {
			return fmt.Errorf("training %d doesn't come forward: step %d of %d after %d lives", seed, last, steps, lives)
		}
		out, killed, err := life(self, folder, seed, steps, time.Duration(1+rng.IntN(150))*time.Millisecond)
		if err != nil {
			return err
		}
		begun, saving := false, false
		for _, line := range out {
			var step int
			var print string
			switch what, rest, _ := strings.Cut(line, " "); what {
			case "began":
				if last >= 0 {
					r.lost++
				}
			case "resumed":
				begun = true
				fmt.Sscan(rest, &step, &print)
				if step < last {
					r.lost++
				}
				// A life may end after a save and before it could say so.
				if known := prints[step]; known != "" && known != print {
					r.torn++
				}
			case "saving":
				saving = true
				fmt.Sscan(rest, &step, &print)
				prints[step] = print
			case "saved":
				saving = false
				r.saved++
				fmt.Sscan(rest, &last)
			case "done":
				r.trainings++
				if rest != want {
					r.different++
				}
				return nil
			}
		}
		if !killed {
			return fmt.Errorf("training %d ended without a result: %q", seed, out)
		}
		r.kills++
		if begun {
			r.resumed++
		}
		if saving {
			r.inSave++
		}
	}
}

// life starts a process that trains, kills it after a while, and returns the lines
// that it could write.
func life(self, folder string, seed uint64, steps int, after time.Duration) (lines []string, killed bool, err error) {
	cmd := exec.Command(self, "-child", folder, "-seed", fmt.Sprint(seed), "-steps", fmt.Sprint(steps))
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Start(); err != nil {
		return nil, false, err
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	err = cmd.Wait()
	killed = !timer.Stop() && err != nil
	if err != nil && (!killed || problem.Len() > 0) {
		return nil, false, fmt.Errorf("child: %w: %s", err, problem.String())
	}
	whole := out.String()
	whole = whole[:strings.LastIndexByte(whole, '\n')+1] // the last line may have been cut
	if whole == "" {
		return nil, killed, nil
	}
	return strings.Split(strings.TrimSuffix(whole, "\n"), "\n"), killed, nil
}

// say writes a line, at once.
func say(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}
