package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/micaml/mica/store"
	"github.com/schollz/progressbar/v3"
)

// plainEvery is how often long work says a line where there is no terminal.
const plainEvery = 5 * time.Second

// working tells that something is going on until stop is called: a line with
// the time so far on a terminal, otherwise a plain line every few seconds.
func (u *ui) working(format string, args ...any) (stop func()) {
	if u.quiet {
		return func() {}
	}
	what, start := fmt.Sprintf(format, args...), time.Now()
	every, show := plainEvery, func() { u.say("%s ... %s", what, seconds(time.Since(start))) }
	if u.errTTY > 0 {
		every = time.Second / 10
		show = func() { u.overwrite(fmt.Sprintf("%s ... %.1f s", what, time.Since(start).Seconds())) }
		show()
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				show()
			case <-done:
				u.overwrite("")
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}

// downloading returns how a pull is told, and what to call at its end.
func (u *ui) downloading() (report store.Progress, stop func()) {
	if u.quiet {
		return nil, func() {}
	}
	d := &download{ui: u, last: time.Now()}
	return d.report, d.stop
}

// download shows the stages of a pull.
type download struct {
	ui    *ui
	bar   *progressbar.ProgressBar
	stage string
	last  time.Time
}

func (d *download) report(stage string, done, total int64) {
	if done < 0 {
		d.stop()
		d.ui.note("%s", harmless(stage))
		return
	}
	if d.ui.errTTY > 0 {
		d.draw(stage, done, total)
		return
	}
	if time.Since(d.last) < plainEvery {
		return
	}
	d.last = time.Now()
	if total > 0 {
		d.ui.note("%s: %s of %s (%d%%)", harmless(stage), size(done), size(total), 100*done/total)
		return
	}
	d.ui.note("%s: %s", harmless(stage), size(done))
}

func (d *download) draw(stage string, done, total int64) {
	if total <= 0 {
		total = -1
	}
	if d.bar == nil || d.stage != stage {
		d.stop()
		d.stage = stage
		d.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(d.ui.err),
			progressbar.OptionSetDescription(clip(harmless(stage), d.ui.errTTY/2)),
			progressbar.OptionShowBytes(true),
			progressbar.OptionFullWidth(),
			progressbar.OptionThrottle(time.Second/10),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine that draws after the end
			progressbar.OptionEnableColorCodes(false))
	}
	if total > 0 && d.bar.GetMax64() != total {
		d.bar.ChangeMax64(total)
	}
	_ = d.bar.Set64(done)
}

// stop takes the bar away.
func (d *download) stop() {
	if d.bar != nil {
		_ = d.bar.Clear()
		d.bar = nil
	}
}
