package needle

import (
	"slices"

	"github.com/micaml/mica/keep/gemfilter"
)

// Layer is what a filter in one layer kept of the needles of some prompts.
type Layer struct {
	Layer    int     `json:"layer"`
	Distance float64 `json:"distance"` // D_l, the median over the prompts
	Found    float64 `json:"found"`    // share of prompts with D_l = 0
	Recall   float64 `json:"recall"`   // share of the needle's tokens that were kept, the mean
}

// Layers puts the curves of some prompts together, each with an entry for each
// layer.
func Layers(curves [][]gemfilter.Near) []Layer {
	if len(curves) == 0 {
		return nil
	}
	layers := make([]Layer, len(curves[0]))
	for l := range layers {
		s := Layer{Layer: l}
		distances := make([]int, len(curves))
		for i, c := range curves {
			distances[i] = c[l].Distance
			s.Recall += c[l].Recall
			if c[l].Distance == 0 {
				s.Found++
			}
		}
		slices.Sort(distances)
		mid := len(distances) / 2
		s.Distance = float64(distances[mid]+distances[(len(distances)-1)/2]) / 2
		s.Found /= float64(len(curves))
		s.Recall /= float64(len(curves))
		layers[l] = s
	}
	return layers
}

// Choose is the layer for a filter, after the paper's rule (section 4.3), the
// first with D_l = 0. D_l asks for the needle's first token only and in small
// models may be 0 where half of the needle is lost, or never 0 in every prompt.
// So it is the first layer that is as good as the best, less a tenth, in both:
// in how many prompts it finds the needle, and in how much of it it keeps. If
// there is none, it is the layer that misses the best by least. -1 of no layers.
func Choose(layers []Layer) int {
	var found, recall float64
	for _, l := range layers {
		found, recall = max(found, l.Found), max(recall, l.Recall)
	}
	at, most := -1, -1.0
	for i, l := range layers {
		share := min(part(l.Found, found), part(l.Recall, recall))
		if share >= 0.9 {
			return i
		}
		if share > most {
			at, most = i, share
		}
	}
	return at
}

// part is x as a share of the best; where the best is nothing, all are as good.
func part(x, best float64) float64 {
	if best == 0 {
		return 1
	}
	return x / best
}
