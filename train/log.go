package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"github.com/micaml/mica/internal/atomicfile"
	"github.com/micaml/mica/plot"
)

// Line is a line of a log: means over the steps since the line before, or an
// evaluation.
type Line struct {
	Step int `json:"step"`
	// Training has "loss", the terms of the loss by name, "norm" of the gradient and
	// "rate" of learning.
	Training   Metrics `json:"training,omitempty"`
	Evaluation Metrics `json:"evaluation,omitempty"`
}

// MarshalJSON writes what isn't finite as null, which JSON has no number for.
func (m Metrics) MarshalJSON() ([]byte, error) {
	out := make(map[string]*float64, len(m))
	for k, x := range m {
		if out[k] = nil; !math.IsNaN(x) && !math.IsInf(x, 0) {
			out[k] = &x
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads null as NaN.
func (m *Metrics) UnmarshalJSON(b []byte) error {
	var in map[string]*float64
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*m = make(Metrics, len(in))
	for k, x := range in {
		if (*m)[k] = math.NaN(); x != nil {
			(*m)[k] = *x
		}
	}
	return nil
}

// maxLine bounds a line of a log.
const maxLine = 1 << 20

// ReadLog reads a log. A last line that was cut off as the process died is left out.
func ReadLog(path string) ([]Line, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []Line
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		var l Line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			if !bytes.HasSuffix(b, []byte("\n")) && bytes.HasSuffix(b, s.Bytes()) {
				break
			}
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		lines = append(lines, l)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return lines, nil
}

// log appends to a file of JSON lines.
type log struct {
	f *os.File
	e *json.Encoder
}

// openLog opens a log for what comes after a step. What it says about later ones is
// cut off: they are taken again.
func openLog(path string, step, evaluated int) (*log, error) {
	lines, err := ReadLog(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("train: log: %w; move it away to begin a new one", err)
	}
	var keep bytes.Buffer
	for _, l := range lines {
		if l.Step <= step && (l.Evaluation == nil || l.Step <= evaluated) {
			if err := json.NewEncoder(&keep).Encode(l); err != nil {
				return nil, fmt.Errorf("train: log: %w", err)
			}
		}
	}
	if err := atomicfile.WriteBytes(path, 0o644, keep.Bytes()); err != nil {
		return nil, fmt.Errorf("train: log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("train: log: %w", err)
	}
	return &log{f, json.NewEncoder(f)}, nil
}

func (l *log) line(x Line) error {
	if err := l.e.Encode(x); err != nil {
		return fmt.Errorf("train: log: %w", err)
	}
	return nil
}

func (l *log) close() error { return l.f.Close() }

// Curve draws metrics of a log by step: of the training ("loss"), or with the prefix
// "eval." of the evaluations ("eval.accuracy").
func Curve(title string, lines []Line, metrics ...string) []byte {
	c := plot.Chart{Title: title, X: "steps", Y: ""}
	for i, name := range metrics {
		key, evaluation := name, false
		if len(name) > 5 && name[:5] == "eval." {
			key, evaluation = name[5:], true
		}
		line := plot.Line{Label: name, Color: i, Dashed: evaluation}
		for _, l := range lines {
			m := l.Training
			if evaluation {
				m = l.Evaluation
			}
			if y, ok := m[key]; ok {
				line.Points = append(line.Points, plot.Point{X: float64(l.Step), Y: y})
			}
		}
		c.Lines = append(c.Lines, line)
	}
	return c.SVG()
}
