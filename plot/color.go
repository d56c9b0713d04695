package plot

import "fmt"

// viridis is the colour map of that name (van der Walt and Smith 2015) at nine
// even steps: its lightness rises evenly, so that it reads in grey and for the
// colour-blind.
var viridis = [...][3]float64{
	{68, 1, 84}, {71, 44, 122}, {59, 81, 139}, {44, 113, 142}, {33, 144, 141}, {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37},
}

// Viridis is the colour of v, from 0 to 1, and one to write on it with.
func Viridis(v float64) (fill, ink string) {
	v = min(max(v, 0), 1) * float64(len(viridis)-1)
	i := min(int(v), len(viridis)-2)
	var c [3]int
	for k := range c {
		c[k] = int(viridis[i][k] + (v-float64(i))*(viridis[i+1][k]-viridis[i][k]) + 0.5)
	}
	ink = "#fff"
	if v > 5 {
		ink = "#222"
	}
	return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]), ink
}
