package cli

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/micaml/mica/store"
)

// needleSetting is everything that decides an answer.
type needleSetting struct {
	Method string `json:"method"` // with every setting that follows from the model
	Length int    `json:"length"`
	Depth  int    `json:"depth"`
	Trial  int    `json:"trial"`
	Fact   string `json:"fact"`
	Mode   string `json:"mode"`
	Raw    bool   `json:"raw"`
	Seed   uint64 `json:"seed"`
	Answer int    `json:"answer"`
	Text   string `json:"text"` // digest of the haystack
}

// needleLog is the answers of one model so far, a line of JSON each, in mica's
// cache. A line that was cut short by a crash is passed over.
type needleLog struct {
	f    *os.File
	rows map[needleSetting]needleRow
}

type needleLine struct {
	Setting needleSetting `json:"setting"`
	Row     needleRow     `json:"row"`
}

// openNeedleLog opens the log of a model; fresh forgets what it holds.
func openNeedleLog(digest string, fresh bool) (*needleLog, error) {
	s, err := store.Open("")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.Dir(), "needle")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, failed("set MICA_CACHE to a folder that you can write to", "%w", err)
	}
	path := filepath.Join(dir, digest[:16]+".jsonl")
	l := &needleLog{rows: map[needleSetting]needleRow{}}
	if fresh {
		os.Remove(path)
	}
	if b, err := os.ReadFile(path); err == nil {
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var x needleLine
			if json.Unmarshal(lines.Bytes(), &x) == nil {
				l.rows[x.Setting] = x.Row
			}
		}
		if len(b) > 0 && b[len(b)-1] != '\n' {
			defer func() {
				if l.f != nil {
					l.f.Write([]byte("\n"))
				}
			}()
		}
	}
	if l.f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
		return nil, failed("set MICA_CACHE to a folder that you can write to", "%w", err)
	}
	return l, nil
}

func (l *needleLog) find(s needleSetting) (needleRow, bool) {
	r, ok := l.rows[s]
	return r, ok
}

// add keeps a row, in one write.
func (l *needleLog) add(s needleSetting, r needleRow) error {
	b, err := json.Marshal(needleLine{s, r})
	if err != nil {
		return err
	}
	if _, err := l.f.Write(append(b, '\n')); err != nil {
		return failed("make room, then run it again: what was answered is kept", "%w", err)
	}
	l.rows[s] = r
	return nil
}

// Close closes the log.
func (l *needleLog) Close() error { return l.f.Close() }

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
