package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/micaml/mica/internal/kernel/peak"
	"github.com/micaml/mica/internal/par"
	"github.com/micaml/mica/op"
)

// limits is what this machine can do at most, per second.
type limits struct {
	Flops   float64 `json:"flops"`
	ByteOps float64 `json:"byte_ops"`
	Read    float64 `json:"read_bytes"`
}

func measureLimits(threads int) *limits {
	p := par.New(threads)
	defer p.Close()
	l := limits(peak.Measure(p))
	return &l
}

// opRow is a line of bench --by-op, for one run of the test.
type opRow struct {
	Op      string  `json:"op"`
	Calls   int     `json:"calls"`
	MS      float64 `json:"ms"`
	Share   float64 `json:"share"` // of the time of all ops
	Flops   int64   `json:"flops"`
	ByteOps int64   `json:"byte_ops"`
	Bytes   int64   `json:"bytes"`
	Limit   float64 `json:"of_limit"` // the time that the machine's limits leave, by the time taken
	Bound   string  `json:"bound_by"` // which limit that is
}

// byOp turns a profile of some runs into rows for one.
func byOp(p *op.Profile, l *limits, runs int) []opRow {
	var all time.Duration
	lines := p.Lines()
	for _, x := range lines {
		all += x.Time
	}
	var rows []opRow
	for _, x := range lines {
		n := int64(runs)
		r := opRow{Op: x.Op, Calls: x.Calls / runs, MS: millis(x.Time) / float64(runs),
			Share: float64(x.Time) / float64(max(1, all)),
			Flops: x.Cost.Flops / n, ByteOps: x.Cost.ByteOps / n, Bytes: x.Cost.Bytes / n}
		var least float64
		least, r.Bound = peak.Limits(*l).Least(x.Cost.Flops, x.Cost.ByteOps, x.Cost.Bytes)
		if x.Time > 0 {
			r.Limit = least / x.Time.Seconds()
		}
		rows = append(rows, r)
	}
	return rows
}

func byOpTable(w io.Writer, width int, rows []opRow) {
	var cells [][]string
	per := func(n int64, ms float64) string {
		if n == 0 || ms == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f", float64(n)/ms/1e6)
	}
	for _, r := range rows {
		cells = append(cells, []string{r.Op, fmt.Sprint(r.Calls), fmt.Sprintf("%.2f", r.MS), fmt.Sprintf("%.1f %%", 100*r.Share),
			per(r.Flops+r.ByteOps, r.MS), per(r.Bytes, r.MS), fmt.Sprintf("%.0f %%", 100*r.Limit), r.Bound})
	}
	table(w, width, []string{"OP", " CALLS", " MS", " SHARE", " GOP/S", " GB/S", " OF LIMIT", "BOUND BY"}, cells, nil)
}
