package main

// table is every row, in the order of RESULTS.md. Rows that use the same model file and
// threads stand together, since the peer's server is kept.
func table() []*row {
	var rows []*row
	for _, part := range []func() []*row{productRows, promptRows, generationRows, convRows, opRows, trainingRows, scenarioRows, scalingRows} {
		rows = append(rows, part()...)
	}
	return rows
}
