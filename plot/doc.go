// Package plot draws pictures of results as SVG: text stays text, colours suit
// the colour-blind, and several maps share one scale.
package plot
