package conv

// winogradKernels are Winograd's transforms, for kernels of 3x3 and tiles of 2x2
// pixels of the result. Each applies a transform of lines to the columns of a tile
// and then to its rows. The 16 numbers of a transformed tile lie in row order.
type winogradKernels struct {
	input    func(s *tileStrip) // tiles of 4x4 pixels of x
	gradient func(s *tileStrip) // tiles of 2x2 pixels of dy
	output   func(s *tileStrip) // sums to tiles of 2x2 pixels of y
	// filter transforms n kernels, a multiple of 16, whose taps are tap apart.
	filter func(u []float32, xi int, g []float32, tap, n int)
	// filterGradient adds to n kernels the transforms of their sums.
	filterGradient func(dw []float32, tap int, m []float32, xi, n int)
}

// tileStrip is n neighbouring tiles in a row, of at most 16 channels.
type tileStrip struct {
	tiles      []float32
	xi, tile   int // from a number of a tile to the next, from a tile to the next
	image      []float32
	row, pixel int // from a row of pixels, a pixel to the next
	n          int
	channels   int
	add        bool
}

// check keeps wrong shapes from the assembly, for tiles of so many pixels a side.
func (s *tileStrip) check(side int) {
	need("tiles", len(s.tiles), 15*s.xi+(s.n-1)*s.tile+lanes)
	need("pixels of tiles", len(s.image), (side-1)*s.row+(2*(s.n-1)+side-1)*s.pixel+s.channels)
	if min(s.n, s.channels) < 1 || s.channels > lanes {
		panic("conv: no tiles, or not 1 to 16 channels")
	}
}

var plainWinograd = winogradKernels{winogradInputGo, winogradGradientGo, winogradOutputGo, winogradFilterGo, winogradFilterGradientGo}

func inputLine(d0, d1, d2, d3 float32) [4]float32 {
	return [4]float32{d0 - d2, d1 + d2, d2 - d1, d1 - d3}
}

func outputLine(m0, m1, m2, m3 float32) [2]float32 { return [2]float32{m0 + m1 + m2, m1 - m2 - m3} }

// gradientLine is the adjoint of outputLine, except for the sign of its last
// number, which filterGradientLine makes up for.
func gradientLine(d0, d1 float32) [4]float32 { return [4]float32{d0, d0 + d1, d0 - d1, d1} }

func filterLine(g0, g1, g2 float32) [4]float32 {
	s := g0 + g2
	return [4]float32{g0, (s + g1) * 0.5, (s - g1) * 0.5, g2}
}

func filterGradientLine(m0, m1, m2, m3 float32) [3]float32 {
	s := (m1 + m2) * 0.5
	return [3]float32{s + m0, (m1 - m2) * 0.5, s - m3}
}

func winogradInputGo(s *tileStrip) {
	for i := range s.n {
		for c := range lanes {
			var down [4][4]float32
			for j := range 4 {
				var d [4]float32
				for a := range d {
					if c < s.channels {
						d[a] = s.image[a*s.row+(2*i+j)*s.pixel+c]
					}
				}
				down[j] = inputLine(d[0], d[1], d[2], d[3])
			}
			for r := range 4 {
				for j, v := range inputLine(down[0][r], down[1][r], down[2][r], down[3][r]) {
					s.tiles[(4*r+j)*s.xi+i*s.tile+c] = v
				}
			}
		}
	}
}

func winogradGradientGo(s *tileStrip) {
	for i := range s.n {
		for c := range lanes {
			var down [2][4]float32
			for j := range 2 {
				if c < s.channels {
					at := (2*i+j)*s.pixel + c
					down[j] = gradientLine(s.image[at], s.image[at+s.row])
				}
			}
			for r := range 4 {
				for j, v := range gradientLine(down[0][r], down[1][r]) {
					s.tiles[(4*r+j)*s.xi+i*s.tile+c] = v
				}
			}
		}
	}
}

func winogradOutputGo(s *tileStrip) {
	for i := range s.n {
		for c := range s.channels {
			var down [4][2]float32
			for j := range 4 {
				m := s.tiles[j*s.xi+i*s.tile+c:]
				down[j] = outputLine(m[0], m[4*s.xi], m[8*s.xi], m[12*s.xi])
			}
			for r := range 2 {
				for j, v := range outputLine(down[0][r], down[1][r], down[2][r], down[3][r]) {
					y := &s.image[r*s.row+(2*i+j)*s.pixel+c]
					if s.add {
						v += *y
					}
					*y = v
				}
			}
		}
	}
}

func winogradFilterGo(u []float32, xi int, g []float32, tap, n int) {
	for i := range n {
		var down [3][4]float32
		for j := range 3 {
			down[j] = filterLine(g[j*tap+i], g[(3+j)*tap+i], g[(6+j)*tap+i])
		}
		for r := range 4 {
			for j, v := range filterLine(down[0][r], down[1][r], down[2][r]) {
				u[(4*r+j)*xi+i] = v
			}
		}
	}
}

func winogradFilterGradientGo(dw []float32, tap int, m []float32, xi, n int) {
	for i := range n {
		var down [4][3]float32
		for j := range 4 {
			down[j] = filterGradientLine(m[j*xi+i], m[(4+j)*xi+i], m[(8+j)*xi+i], m[(12+j)*xi+i])
		}
		for r := range 3 {
			for j, v := range filterGradientLine(down[0][r], down[1][r], down[2][r], down[3][r]) {
				dw[(3*r+j)*tap+i] += v
			}
		}
	}
}
