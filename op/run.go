package op

import "fmt"

// checkRuns tells of runs that don't divide rows rows, or whose states aren't of
// width numbers. Recurrences check before they change a state.
func checkRuns(rows int, runs []int32, state [][]float32, width int) error {
	total := 0
	for _, n := range runs {
		if n < 0 {
			return fmt.Errorf("a run of %d rows", n)
		}
		total += int(n)
	}
	if total != rows || len(state) != len(runs) {
		return fmt.Errorf("%d runs of %d rows with %d states for %d rows", len(runs), total, len(state), rows)
	}
	for _, s := range state {
		if len(s) != width {
			return fmt.Errorf("a state of %d numbers, want %d", len(s), width)
		}
	}
	return nil
}

// starts returns where each run begins.
func starts(runs []int32) []int {
	s, at := make([]int, len(runs)), 0
	for r, n := range runs {
		s[r], at = at, at+int(n)
	}
	return s
}
