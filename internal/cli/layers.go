package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// layerOf turns a layer as typed, with -1 for the last, into 0..depth-1.
func layerOf(l, depth int) (int, error) {
	if l < -depth || l >= depth {
		return 0, fmt.Errorf("the model has layers 0 to %d", depth-1)
	}
	if l < 0 {
		l += depth
	}
	return l, nil
}

// parseLayers reads "0-11", "4,8", "-1" or "all". The result ascends.
func parseLayers(s string, depth int) ([]int, error) {
	fail := func(why error) ([]int, error) {
		return nil, usage("write layers like 0-11, 4,8, -1 (the last) or all", "--layers %s: %w", quoted(s), why)
	}
	var out []int
	for _, part := range strings.Split(s, ",") {
		if part == "all" {
			part = fmt.Sprintf("0-%d", depth-1)
		}
		lo, hi, err := parseRange(part, depth)
		if err != nil {
			return fail(err)
		}
		for l := lo; l <= hi; l++ {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func parseRange(s string, depth int) (lo, hi int, err error) {
	a, b := s, s
	if i := strings.Index(strings.TrimPrefix(s, "-"), "-"); i > 0 { // one at the start is a sign
		i += len(s) - len(strings.TrimPrefix(s, "-"))
		a, b = s[:i], s[i+1:]
	}
	for _, x := range []struct {
		text string
		at   *int
	}{{a, &lo}, {b, &hi}} {
		n, err := strconv.Atoi(x.text)
		if err != nil {
			return 0, 0, fmt.Errorf("%q is not a layer", s)
		}
		if *x.at, err = layerOf(n, depth); err != nil {
			return 0, 0, err
		}
	}
	if lo > hi {
		return 0, 0, errors.New("a range goes from the lower layer to the higher")
	}
	return lo, hi, nil
}
