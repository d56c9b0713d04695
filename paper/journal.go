package paper

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// unfinished is the file with what a run has found so far.
const unfinished = "unfinished.jsonl"

// mostJournal is the longest that is read again, in bytes; a real one has some
// hundred thousand.
const mostJournal = 64 << 20

// journal keeps what a run has found, a line of JSON each, so that an
// interrupted one can go on. A line that was cut short is passed over.
type journal struct {
	path  string
	f     *os.File
	known map[string]json.RawMessage
	spent time.Duration // by the runs before
	start time.Time     // when this run would have begun if it had done it all
}

// note is a line: the first has Run alone, and says which run it is.
type note struct {
	Run     string          `json:"run,omitempty"`
	Key     string          `json:"key,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Seconds float64         `json:"seconds,omitempty"` // since the start
}

// openJournal opens the journal of the run that key names. One of another
// run is begun anew.
func openJournal(path, key string, fresh bool) (*journal, error) {
	j := &journal{path: path, known: map[string]json.RawMessage{}, start: time.Now()}
	same := !fresh
	if same {
		var err error
		if same, err = j.read(key); err != nil {
			return nil, err
		}
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !same {
		flags |= os.O_TRUNC
	}
	var err error
	if j.f, err = os.OpenFile(path, flags, 0o644); err != nil {
		return nil, err
	}
	first := []byte("\n") // after a line that was cut short
	if !same {
		if first, err = json.Marshal(note{Run: key}); err == nil {
			first = append(first, '\n')
		}
	}
	if err == nil {
		_, err = j.f.Write(first)
	}
	if err != nil {
		j.f.Close()
		return nil, err
	}
	return j, nil
}

// read takes what the file says, if it is of that run.
func (j *journal) read(key string) (same bool, err error) {
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, mostJournal))
	lines.Buffer(nil, 1<<20)
	for first := true; lines.Scan(); first = false {
		var n note
		if json.Unmarshal(lines.Bytes(), &n) != nil {
			n = note{}
		}
		if first {
			if n.Run != key {
				return false, nil
			}
			same = true
			continue
		}
		if n.Key == "" || n.Value == nil {
			continue
		}
		j.known[n.Key] = n.Value
		if d := time.Duration(n.Seconds * 1e9); n.Seconds < 1e6 && d > j.spent {
			j.spent = d
		}
	}
	return same, nil // a line too long for the scanner ends what is known
}

// Remember returns what ask finds, or what it found in a run that was
// interrupted. key names it within the experiment.
func Remember[T any](r *Run, key string, ask func() (T, error)) (T, error) {
	var v T
	if raw, ok := r.journal.known[key]; ok && json.Unmarshal(raw, &v) == nil {
		return v, nil
	}
	v, err := ask()
	if err != nil {
		return v, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return v, fmt.Errorf("paper: %s: %w", key, err)
	}
	line, err := json.Marshal(note{Key: key, Value: raw, Seconds: time.Since(r.journal.start).Seconds()})
	if err != nil {
		return v, fmt.Errorf("paper: %s: %w", key, err)
	}
	_, err = r.journal.f.Write(append(line, '\n'))
	return v, err
}

// Close closes the file.
func (j *journal) Close() error { return j.f.Close() }

// remove takes the file away, at the end of a run.
func (j *journal) remove() error {
	j.f.Close() // windows removes no open file
	return os.Remove(j.path)
}
