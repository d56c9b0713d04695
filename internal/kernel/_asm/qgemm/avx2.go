package main

// avx2 generates the kernels without VNNI: where AVX-512 adds four products to
// 32 bits at once, AVX2 adds two to 16 (VPMADDUBSW), so the sum of a block is
// made in 16 bits as far as the width of the quants lets it fit, and widened
// then. Sums of integers are exact, so the outputs are the same.
func avx2() {
	c := newConstants256()
	for _, f := range formats {
		if !f.k {
			direct256(c, f)
		}
		pack256(c, f)
		if !f.shares256() {
			for rows := 1; rows <= f.plan256().rows; rows++ {
				packed256(c, f, rows)
			}
		}
	}
	quantize256(c)
}

// shares256 reports whether f's panels are multiplied by another format's
// kernels. 4 and 5 bits, which do for AVX-512 with the same ones, differ in how
// many products fit into 16 bits.
func (f format) shares256() bool { return f.k && f.chain == scaleAndMin }
