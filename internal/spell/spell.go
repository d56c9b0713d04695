// Package spell tells how far apart two names are, for errors that suggest the one
// that was meant.
package spell

// Distance is how many bytes must be put in, taken out or changed to make a into b
// (Levenshtein 1966). It takes len(a)*len(b) steps: for names of a bounded length.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
