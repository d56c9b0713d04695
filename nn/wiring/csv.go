package wiring

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// ReadCSV reads a square matrix, a measured connectome say: a line for each row, with
// numbers between commas. Empty lines don't count. A matrix of more than most units is an
// error.
func ReadCSV(r io.Reader, most int) (*mat.Dense, error) {
	if most < 1 || most > Most {
		return nil, fmt.Errorf("wiring: at most %d units: want 1 to %d", most, Most)
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64+32*most) // a float64 has at most 24 characters
	var x []float64
	n, rows := 0, 0
	for at := 1; lines.Scan(); at++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		fields := strings.Count(line, ",") + 1
		switch {
		case rows == 0 && fields > most:
			return nil, fmt.Errorf("wiring: line %d: %d numbers, more than %d", at, fields, most)
		case rows == 0:
			n = fields
		case fields != n:
			return nil, fmt.Errorf("wiring: line %d: %d numbers, and the first row has %d", at, fields, n)
		case rows == n:
			return nil, fmt.Errorf("wiring: line %d: a row too many for %d columns: the matrix must be square", at, n)
		}
		for field := range strings.SplitSeq(line, ",") {
			v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("wiring: line %d: %.40q is no finite number", at, field)
			}
			x = append(x, v)
		}
		rows++
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("wiring: a line is too long for %d numbers", most)
	} else if err != nil {
		return nil, fmt.Errorf("wiring: %w", err)
	}
	if rows == 0 {
		return nil, errors.New("wiring: the file has no numbers")
	}
	if rows != n {
		return nil, fmt.Errorf("wiring: %d rows of %d numbers: the matrix must be square", rows, n)
	}
	return mat.NewDense(n, n, x), nil
}
