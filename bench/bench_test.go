package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/tensor"
)

// The table's names are the keys of the results, and the whole must fit in half an hour or so.
func TestTable(t *testing.T) {
	b := &bench{rows: table()}
	seen, total := map[string]bool{}, 0.0
	for _, r := range b.rows {
		if seen[r.name] {
			t.Errorf("two rows %q", r.name)
		}
		seen[r.name] = true
		if r.judge == nil || strings.Contains(r.name, "|") {
			t.Errorf("row %q can't stand in the table", r.name)
		}
		if len(r.series) > 0 {
			total += b.cost(r)
		}
	}
	if total > 35*60 {
		t.Errorf("a whole run is guessed to take %.0f minutes", total/60)
	}
	for _, c := range curves() { // a point without a row would never be drawn
		for _, l := range c.lines {
			for _, p := range l.points {
				if !seen[p.row] {
					t.Errorf("%s: no row %q", c.file, p.row)
				}
			}
		}
	}
}

func TestLeast(t *testing.T) {
	l := limits{Flops: 200, ByteOps: 1000, Read: 20}
	for _, c := range []struct {
		w    work
		want float64
	}{
		{work{flops: 2e9}, 0.01},
		{work{flops: 2e9, byteOps: 5e9}, 0.015}, // one after the other on the same units
		{work{flops: 2e9, bytes: 1e9}, 0.05},    // reading goes beside
	} {
		if got := l.least(c.w); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("least(%+v) = %v, want %v", c.w, got, c.want)
		}
	}
	if (limits{}).least(work{flops: 1}) != 0 {
		t.Error("limits that were not measured give a time")
	}
}

func took(seconds ...float64) *measurements { return &measurements{Seconds: seconds} }

func TestJudge(t *testing.T) {
	r := &row{name: "x", work: work{flops: 1e9, threads: 2}, series: []series{{name: "mica"}, {name: "numpy"}, {name: "torch"}, {name: "gone"}}}
	all := &results{Limits: map[int]limits{2: {Flops: 100, ByteOps: 1, Read: 1}}}
	res := &result{Series: map[string]*measurements{"mica": took(0.02, 0.01, 0.0125), "numpy": took(0.02), "torch": took(0.01), "gone": {Error: "no such program"}}}
	v := against(1.5, 0.79, "numpy")(r, res, all)
	if v.met != "yes" || math.Abs(v.share-0.8) > 1e-12 {
		t.Errorf("%+v: the median is 12.5 ms, the limit 10, numpy 20", v)
	}
	for _, want := range []string{"numpy 20 ms (1.60x)", "torch 10 ms (**0.80x**)", "gone failed"} {
		if !strings.Contains(v.peers, want) {
			t.Errorf("peers %q lack %q", v.peers, want)
		}
	}
	if v := against(1.5, 0, "numpy", "torch")(r, res, all); v.met != "no" {
		t.Errorf("%+v: torch is faster", v)
	}
	res.Series["mica"] = &measurements{Error: "it broke"}
	if v := against(1.5, 0, "numpy")(r, res, all); v.met != "no" || !strings.Contains(v.measured, "it broke") {
		t.Errorf("a failed row: %+v", v)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.x, got, c.want)
		}
	}
}

// The document and the pictures come from any results, none and all.
func TestReport(t *testing.T) {
	full := &results{Rows: map[string]*result{}, Limits: map[int]limits{1: {1, 100, 400, 20}, 2: {2, 200, 800, 30}}, Versions: map[string]string{"go": "go1"}}
	for i, r := range table() {
		res := &result{Row: r.name, Series: map[string]*measurements{}}
		for _, s := range r.series {
			res.Series[s.name] = &measurements{Seconds: []float64{0.1 * float64(i+1)}, Extra: map[string]float64{"weights_bytes": 1e8, "peak_rss_bytes": 2e8, "load_ms": 30, "layer": 18}}
		}
		full.Rows[r.name] = res
	}
	for name, all := range map[string]*results{"none": {}, "all": full} {
		b := &bench{rows: table(), results: all}
		doc := b.document()
		for _, r := range b.rows {
			if !strings.Contains(doc, "| "+r.name+" |") {
				t.Errorf("%s: no line for %q", name, r.name)
			}
		}
		for _, bad := range []string{"%!", "NaN", "Inf"} {
			if strings.Contains(doc, bad) {
				t.Errorf("%s: %s in the document", name, bad)
			}
		}
		for _, c := range curves() {
			picture := c.svg(all)
			d := xml.NewDecoder(bytes.NewReader(picture))
			for {
				_, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s of %s results: %v", c.file, name, err)
				}
			}
			if bytes.Contains(picture, []byte("NaN")) || bytes.Contains(picture, []byte("%!")) {
				t.Errorf("%s of %s results has a point nowhere", c.file, name)
			}
			if name == "all" && bytes.Count(picture, []byte("<polyline")) != len(c.lines) {
				t.Errorf("%s lacks a line", c.file)
			}
		}
	}
}

// Random blocks of K-quants must be numbers that a network can bear.
func TestRandomWeights(t *testing.T) {
	for _, ty := range []gguf.Type{gguf.Q4_K, gguf.Q6_K} {
		b, err := randomWeights(gguf.Tensor{Type: ty, Dims: []uint64{1024, 8}}, 3)
		if err != nil {
			t.Fatal(err)
		}
		dt, err := ty.DType()
		if err != nil {
			t.Fatal(err)
		}
		s, err := tensor.NewStorage(dt, 8, 1024, b)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, 1024)
		sum, squares := 0.0, 0.0
		for r := range 8 {
			if err := s.DequantRow(r, x); err != nil {
				t.Fatal(err)
			}
			for _, v := range x {
				sum += float64(v)
				squares += float64(v) * float64(v)
			}
		}
		mean, rms := sum/8192, math.Sqrt(squares/8192)
		if math.Abs(mean) > 0.5*rms || rms < 0.01 || rms > 0.1 {
			t.Errorf("%v: mean %v, root mean square %v, want about 0 and 1/32", ty, mean, rms)
		}
	}
}
