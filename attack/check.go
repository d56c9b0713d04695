package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/micaml/mica/format/gguf"
	"github.com/micaml/mica/model/lm"
)

// agree is the target that compares what check says of a file with what loading
// it does: a broken format is exit code 3 and the same words; a sound file that
// doesn't load is one that check says doesn't run, and why; and a file that
// loads runs.
func agree(check func(path string) (code int, stdout []byte, stderr string)) target {
	return func(path string, _ int64) (bool, error) {
		m, err := lm.Open(path)
		if err == nil {
			m.Close()
		}
		code, stdout, stderr := check(path)
		var doc struct {
			Runs bool   `json:"runs"`
			Why  string `json:"why"`
		}
		if code == 0 {
			if err := json.Unmarshal(stdout, &doc); err != nil {
				return true, fmt.Errorf("check's JSON: %w", err)
			}
		}
		var format *gguf.FormatError
		switch {
		case err == nil && (code != 0 || !doc.Runs):
			return true, fmt.Errorf("it loads; check: exit code %d, runs %t: %s%s", code, doc.Runs, doc.Why, stderr)
		case err == nil:
			return true, nil
		case errors.As(err, &format) && (code != 3 || !strings.Contains(stderr, format.Problem) && !strings.Contains(stderr, "the file is empty")):
			return true, fmt.Errorf("loading: %w; check: exit code %d: %s", err, code, stderr)
		case format == nil && code == 0 && (doc.Runs || !strings.Contains(err.Error(), doc.Why) || doc.Why == ""):
			return true, fmt.Errorf("loading: %w; check: runs %t: %q", err, doc.Runs, doc.Why)
		case format == nil && code != 0:
			return true, fmt.Errorf("loading: %w; check: exit code %d: %s", err, code, stderr)
		}
		return false, err
	}
}
