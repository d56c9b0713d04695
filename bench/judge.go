package main

import (
	"fmt"
	"strings"
)

// target says what a row asks for: how many times as fast as a peer, and which share
// of the limit; 0 asks for nothing.
func target(ratio float64, peer string, share float64) string {
	var parts []string
	if ratio > 0 {
		parts = append(parts, fmt.Sprintf("%gx %s", ratio, peer))
	}
	if share > 0 {
		parts = append(parts, fmt.Sprintf("%.0f %% of the limit", 100*share))
	}
	return strings.Join(parts, ", ")
}

// against judges a row by mica's time, the least time at the machine's limits, and the fastest
// series whose name begins with one of peers, those that the target names.
func against(ratio, share float64, peers ...string) func(*row, *result, *results) verdict {
	return func(r *row, res *result, all *results) verdict {
		return judgeWork(r, res, all, r.work, ratio, share, peers...)
	}
}

func judgeWork(r *row, res *result, all *results, w work, ratio, share float64, peers ...string) verdict {
	mica := res.seconds("mica")
	v := verdict{measured: "not there yet", peers: r.peers(res, mica)}
	if mica > 0 {
		v.measured = r.speed(mica)
		v.share = all.Limits[w.threads].least(w) / mica
		if one := res.seconds("mica t1"); one > 0 {
			v.measured += ", 1 thread: " + r.speed(one)
		}
	} else if m := res.Series["mica"]; m != nil && m.Error != "" {
		v.measured = "failed: " + shorten(m.Error, 70)
	}
	if ratio > 0 || share > 0 {
		best := fastest(r, res, peers)
		v.met = met(mica > 0 && best >= ratio*mica && v.share >= share)
	}
	return v
}

// peers lists every other program's speed, and how many times as fast mica is.
func (r *row) peers(res *result, mica float64) string {
	var parts []string
	for _, s := range r.series {
		t := res.seconds(s.name)
		switch m := res.Series[s.name]; {
		case strings.HasPrefix(s.name, "mica"):
		case t > 0 && mica > 0:
			parts = append(parts, fmt.Sprintf("%s %s (%s)", s.name, r.speed(t), times(t/mica)))
		case t > 0:
			parts = append(parts, s.name+" "+r.speed(t))
		case m != nil && m.Error != "":
			parts = append(parts, s.name+" failed")
		}
	}
	return strings.Join(parts, ", ")
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + " ..."
	}
	return s
}

// times is a ratio; one that mica loses stands out.
func times(x float64) string {
	if x < 1 {
		return fmt.Sprintf("**%.2fx**", x)
	}
	return fmt.Sprintf("%.2fx", x)
}

// fastest returns the best time of the series whose names begin with one of peers.
func fastest(r *row, res *result, peers []string) (seconds float64) {
	for _, s := range r.series {
		for _, p := range peers {
			if t := res.seconds(s.name); strings.HasPrefix(s.name, p) && t > 0 && (seconds == 0 || t < seconds) {
				seconds = t
			}
		}
	}
	return seconds
}

func met(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// speed is a time as the row counts it.
func (r *row) speed(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	if r.work.tokens > 0 {
		return rate(r.work.tokens/seconds) + " tokens/s"
	}
	return duration(seconds)
}

func rate(x float64) string {
	switch {
	case x >= 1000:
		return fmt.Sprintf("%d,%03d", int(x+0.5)/1000, int(x+0.5)%1000)
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func duration(s float64) string {
	switch {
	case s >= 1:
		return fmt.Sprintf("%.2f s", s)
	case s >= 1e-3:
		return fmt.Sprintf("%.3g ms", s*1e3)
	}
	return fmt.Sprintf("%.3g µs", s*1e6)
}

// judgeGeneration adds what a token must read: the weights, of a size that mica reports,
// and the cache.
func judgeGeneration(model string, depth int, ratio, share float64) func(*row, *result, *results) verdict {
	return func(r *row, res *result, all *results) verdict {
		w := r.work
		w.bytes = w.tokens * (res.extra("mica", "weights_bytes") + networkOf(model).cache(depth+int(w.tokens)/2))
		return judgeWork(r, res, all, w, ratio, share, "llama.cpp")
	}
}

// judgeRows compares n rows with one.
func judgeRows(n int) func(*row, *result, *results) verdict {
	return func(r *row, res *result, all *results) verdict {
		w := r.work
		w.bytes = res.extra("mica", "weights_bytes")
		v := judgeWork(r, res, all, w, 0, 0, "llama.cpp")
		if one := all.Rows[rowsRow(1).name].seconds("mica"); one > 0 && n > 1 && res.seconds("mica") > 0 {
			longer := res.seconds("mica") / one
			v.measured += fmt.Sprintf(", %.2fx the time of 1", longer)
			if n == 8 {
				v.met = met(longer <= 2)
			}
		}
		return v
	}
}
