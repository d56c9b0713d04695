package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/internal/cli"
	"github.com/micaml/mica/internal/cpu"
)

// results is results.json.
type results struct {
	Mica   string    `json:"mica"`
	Sweeps []*result `json:"sweeps"`
}

// result is what one sweep has counted.
type result struct {
	Name     string    `json:"name"`
	Asked    int64     `json:"asked"`
	Total    int64     `json:"total"` // cases there are
	Cases    int64     `json:"cases"` // of them, at this scale
	Done     int64     `json:"done"`
	Complete bool      `json:"complete"`
	Scale    float64   `json:"scale"`
	Tally    tally     `json:"tally,omitempty"`
	Broken   int64     `json:"broken"` // cases that were findings
	Findings []finding `json:"findings,omitempty"`
	Seconds  float64   `json:"seconds"`
	Date     string    `json:"date"`
	Version  string    `json:"version"`
	Machine  string    `json:"machine"`
}

type finding struct {
	Case int64  `json:"case"`
	What string `json:"what"`
	File string `json:"file"`
}

func readResults(path string) (*results, error) {
	r := &results{}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *results) write(path string) error {
	r.Mica = cli.Version
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o644, append(b, '\n'))
}

// of returns the record of a sweep.
func (r *results) of(w sweep) *result {
	for _, rec := range r.Sweeps {
		if rec.Name == w.name {
			return rec
		}
	}
	rec := &result{Name: w.name}
	r.Sweeps = append(r.Sweeps, rec)
	return rec
}

// findings counts those of some sweeps.
func (r *results) findings(of []sweep) int64 {
	n := int64(0)
	for _, w := range of {
		n += r.of(w).Broken
	}
	return n
}

// begin notes the figures of an attempt.
func (r *result) begin(w sweep, a *attempt, scale float64) {
	r.Asked = w.asked
	if r.Asked == 0 {
		r.Asked = a.cases
	}
	r.Scale, r.Total = scale, a.cases
	r.Cases = max(1, int64(math.Ceil(float64(a.cases)*scale)))
}

// stamp notes when, what and where.
func (r *result) stamp(now time.Time) {
	r.Date = now.UTC().Format("2006-01-02 15:04 UTC")
	r.Version = revision()
	name := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name\t: "); ok {
			name, _, _ = strings.Cut(rest, "\n")
		}
	}
	r.Machine = fmt.Sprintf("%s, %d cores, %s/%s, kernels %s", name, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, cpu.Kernels())
}

// revision is the version and commit of the tree.
var revision = sync.OnceValue(func() string {
	v := "mica " + cli.Version + ", " + runtime.Version()
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		v += ", " + strings.TrimSpace(string(out))
	}
	return v
})
