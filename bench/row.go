package main

import (
	"context"
	"time"
)

// A row is one line of the table: the same work done by several series, one
// run of each after the other, round and round.
type row struct {
	name   string // "pp512 Q4_0": what --only matches and results are kept under
	group  group
	runs   int
	series []series // the first is mica's, unless judge knows better
	est    float64  // seconds for one round, a guess that is only printed
	work   work     // for the share of the limit
	target string   // as the table prints it
	judge  func(r *row, res *result, all *results) verdict
	note   string // a sentence under the table
}

// group is a section of the table, in order.
type group int

const (
	products group = iota
	prompts
	generation
	convs
	rowOps
	training
	scenarios
	scaling
)

var groupNames = [...]string{"Float32 products", "Reading a prompt", "Generation", "Convolution", "Attention and row operations", "Training steps", "On a machine in use", "Scaling"}

// A series is one program at a row's work.
type series struct {
	name string // "mica", "llama.cpp t1"
	run  func(ctx context.Context, b *bench) (sample, error)
}

// A sample is what one run gave.
type sample struct {
	seconds float64
	extra   map[string]float64 // other things that the run told, such as peak_rss_bytes
}

// work is the least that a row must do: arithmetic in float32 and in 8 bits, and
// bytes to read, on threads threads.
type work struct {
	flops, byteOps, bytes float64
	threads               int
	tokens                float64 // what a rate counts; 0: the row is a time
}

// verdict is what RESULTS.md says of a row.
type verdict struct {
	measured string
	peers    string  // each peer's speed, and how many times as fast mica is
	share    float64 // of the limit; 0: none stated
	met      string  // "yes", "no", or "" where the row has no target
}

// result is what is kept of a row.
type result struct {
	Row    string                   `json:"row"`
	Date   time.Time                `json:"date"`
	Series map[string]*measurements `json:"series"`
}

type measurements struct {
	Seconds []float64          `json:"seconds,omitempty"` // of each run
	Extra   map[string]float64 `json:"extra,omitempty"`   // medians
	Error   string             `json:"error,omitempty"`
}

// results is the file of one machine.
type results struct {
	Machine  machine            `json:"machine"`
	Versions map[string]string  `json:"versions"`
	Command  string             `json:"command"`
	Limits   map[int]limits     `json:"limits"` // by threads
	LimitsBy string             `json:"limits_by"`
	Rows     map[string]*result `json:"rows"`
}

// limits are rates in 10^9 a second, named as limits programs print them.
type limits struct {
	Threads int     `json:"threads"`
	Flops   float64 `json:"f32_gflops"`
	ByteOps float64 `json:"int8_gops"`
	Read    float64 `json:"read_gb_s"`
}

// least returns the seconds that w takes at the limits: the longer of arithmetic and
// reading.
func (l limits) least(w work) float64 {
	if l.Flops == 0 || l.ByteOps == 0 || l.Read == 0 {
		return 0
	}
	return max(w.flops/l.Flops+w.byteOps/l.ByteOps, w.bytes/l.Read) / 1e9
}

// seconds returns the median time of a series, 0 if it has none.
func (r *result) seconds(name string) float64 {
	if r == nil || r.Series[name] == nil {
		return 0
	}
	return median(r.Series[name].Seconds)
}

// extra returns what else a series told.
func (r *result) extra(name, key string) float64 {
	if r == nil || r.Series[name] == nil {
		return 0
	}
	return r.Series[name].Extra[key]
}
