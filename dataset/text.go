package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	maxText = 1 << 30 // bytes of all documents together
	maxLine = 16 << 20
)

// ReadLines reads a document from each line that isn't empty. It is UTF-8 of at most
// 1 GiB, and 16 MiB a line.
func ReadLines(r io.Reader) ([]string, error) {
	return lines(r, func(line []byte) (string, error) { return string(line), nil })
}

// ReadJSONL reads a document from each line of JSON that isn't empty: the string in a
// field of its object, such as "text". Limits are those of [ReadLines].
func ReadJSONL(r io.Reader, field string) ([]string, error) {
	return lines(r, func(line []byte) (string, error) {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(line, &object); err != nil {
			return "", fmt.Errorf("jsonl: %w", err)
		}
		raw, ok := object[field]
		if !ok {
			return "", fmt.Errorf("jsonl: no field %q", field)
		}
		var s *string
		if err := json.Unmarshal(raw, &s); err != nil || s == nil {
			return "", fmt.Errorf("jsonl: field %q is not a string", field)
		}
		return *s, nil
	})
}

// lines makes a document of each line that isn't empty.
func lines(r io.Reader, document func(line []byte) (string, error)) ([]string, error) {
	limited := &io.LimitedReader{R: r, N: maxText + 1}
	s := bufio.NewScanner(limited)
	s.Buffer(nil, maxLine)
	var docs []string
	n := 0
	for s.Scan() {
		n++
		line := s.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			return nil, fmt.Errorf("line %d: not UTF-8", n)
		}
		doc, err := document(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		docs = append(docs, doc)
	}
	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: longer than %d bytes", n+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	case limited.N <= 0:
		return nil, fmt.Errorf("more than %d bytes", maxText)
	}
	return docs, nil
}

// OpenText reads the documents of a path: of a folder every file *.txt below it, in
// the order of their names, is one; of a file .jsonl every line's field "text"; of
// any other file every line.
func OpenText(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if info.IsDir() {
		return openDocuments(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	var docs []string
	if strings.EqualFold(filepath.Ext(path), ".jsonl") {
		docs, err = ReadJSONL(f, "text")
	} else {
		docs, err = ReadLines(f)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return docs, nil
}

// openDocuments reads every text file below a folder.
func openDocuments(folder string) ([]string, error) {
	var docs []string
	left := int64(maxText)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".txt") {
			return err
		}
		doc, err := readAtMost(path, left)
		if err != nil {
			return err
		}
		if !utf8.Valid(doc) {
			return fmt.Errorf("%s: not UTF-8", path)
		}
		left -= int64(len(doc))
		docs = append(docs, string(doc))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("dataset: %s: no files *.txt", folder)
	}
	return docs, nil
}

// readAtMost reads a file of at most most bytes.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s: more than %d bytes", path, most)
	}
	return b, nil
}
