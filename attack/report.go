package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// report is RESULTS.md.
func report(all []sweep, r *results) string {
	var b strings.Builder
	b.WriteString(`# Results of the attacks

Written by ` + "`go run ./attack`" + `, which runs what is missing here; ` + "`--fresh`" + ` runs it again.
A finding is a case in which a promise broke: a panic, a fault, a read outside the
file, an error that doesn't say what is wrong and where, a limit that didn't
hold. "Asked" is the figure of the plan, "done" what was tried.

| sweep | what | asked | done | findings | seconds |
|---|---|---:|---:|---:|---:|
`)
	for _, w := range all {
		rec := find(r, w.name)
		if rec == nil {
			fmt.Fprintf(&b, "| %s | %s | %s %s | not run | | |\n", w.name, w.what, count(w.asked), w.unit)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s %s | %s | %d | %.0f |\n", w.name, w.what, count(rec.Asked), w.unit, count(rec.Done), rec.Broken, rec.Seconds)
	}
	b.WriteString("\n## What became of the cases\n\n")
	for _, w := range all {
		rec := find(r, w.name)
		if rec == nil || len(rec.Tally) == 0 {
			continue
		}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(rec.Tally)) {
			parts = append(parts, count(rec.Tally[k])+" "+k)
		}
		fmt.Fprintf(&b, "- %s: %s\n", w.name, strings.Join(parts, ", "))
	}
	b.WriteString("\n## Findings\n\n")
	none := true
	for _, rec := range r.Sweeps {
		for _, f := range rec.Findings {
			none = false
			line, _, _ := strings.Cut(f.What, "\n")
			fmt.Fprintf(&b, "- %s, case %d: %s (`%s`)\n", rec.Name, f.Case, line, f.File)
		}
	}
	if none {
		b.WriteString("None.\n")
	}
	b.WriteString("\n## When, with what, where\n\n")
	for _, w := range all {
		if rec := find(r, w.name); rec != nil {
			fmt.Fprintf(&b, "- %s: %s; %s; %s\n", w.name, rec.Date, rec.Version, rec.Machine)
		}
	}
	return b.String()
}

func find(r *results, name string) *result {
	i := slices.IndexFunc(r.Sweeps, func(rec *result) bool { return rec.Name == name && rec.Date != "" })
	if i < 0 {
		return nil
	}
	return r.Sweeps[i]
}

// count writes a number with commas.
func count(n int64) string {
	if n == 0 {
		return "0"
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
