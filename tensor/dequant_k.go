package tensor

// scaleMin unpacks the 6-bit scale and minimum of sub-block j (0..7) from the 12
// packed bytes of a Q4_K or Q5_K block (get_scale_min_k4 in ggml-quants.c): the
// first four of each are whole in bytes 0..7, the upper two bits there belong to
// the last four, whose lower four bits share bytes 8..11.
func scaleMin(j int, q *[12]byte) (scale, least float32) {
	if j < 4 {
		return float32(q[j] & 63), float32(q[j+4] & 63)
	}
	return float32(q[j+4]&15 | q[j-4]>>6<<4), float32(q[j+4]>>4 | q[j]>>6<<4)
}

// In Q4_K and Q5_K each 32 bytes hold two sub-blocks: one in the low nibbles,
// the next in the high ones.

func decodeQ4_K(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[256:], b[144:] {
		y, x := (*[256]float32)(dst), (*[144]byte)(b)
		d, dmin, packed := f16(x[:]), f16(x[2:]), (*[12]byte)(x[4:])
		for j := range 8 {
			scale, least := scaleMin(j, packed)
			scale, least = float32(d*scale), float32(dmin*least)
			shift := 4 * (j & 1)
			for l, q := range x[16+j/2*32:][:32] {
				y[j*32+l] = float32(scale*float32(q>>shift&15)) - least
			}
		}
	}
}

func decodeQ5_K(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[256:], b[176:] {
		y, x := (*[256]float32)(dst), (*[176]byte)(b)
		d, dmin, packed := f16(x[:]), f16(x[2:]), (*[12]byte)(x[4:])
		high := (*[32]byte)(x[16:]) // bit j of byte l is the fifth bit of number l of sub-block j
		for j := range 8 {
			scale, least := scaleMin(j, packed)
			scale, least = float32(d*scale), float32(dmin*least)
			shift := 4 * (j & 1)
			for l, q := range x[48+j/2*32:][:32] {
				y[j*32+l] = float32(scale*float32(q>>shift&15|high[l]>>j&1<<4)) - least
			}
		}
	}
}

// In Q6_K each half of 128 numbers has 64 bytes of lower nibbles and 32 bytes of
// upper bit pairs; quarter k of the half uses byte pair k%2, nibble k/2, pair k.
func decodeQ6_K(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[256:], b[210:] {
		y, x := (*[256]float32)(dst), (*[210]byte)(b)
		d := f16(x[208:])
		for half := range 2 {
			low, high := x[half*64:][:64], x[128+half*32:][:32]
			for k := range 4 {
				scales := x[192+half*8+k*2:][:2]
				scale := [2]float32{float32(d * float32(int8(scales[0]))), float32(d * float32(int8(scales[1])))}
				out, low := y[half*128+k*32:][:32], low[k%2*32:][:32]
				for l := range out {
					q := low[l]>>(k/2*4)&15 | high[l]>>(2*k)&3<<4
					out[l] = scale[l/16] * float32(int(q)-32)
				}
			}
		}
	}
}
