package lora

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/pass"
)

// Roles of a block, which "all" means.
var blockRoles = []pass.Role{pass.QueryProj, pass.KeyProj, pass.ValueProj, pass.OutputProj, pass.GateProj, pass.UpProj, pass.DownProj}

// Usage is what Parse reads.
const Usage = "lora:rank=8,alpha=16,roles=q+v,layers=0-11+-1,rslora=false,dropout=0"

// Parse reads settings as a recipe has them: "lora" or "lora:rank=8,alpha=16,roles=q+v".
// Roles are joined by +: q, k, v, o, gate, up, down, unembed, or all, which is all maps
// of the blocks that depth layers have; so are layers, which may be spans and count
// from the end if negative: "layers=0-11", "layers=0+4+-1".
func Parse(text string, depth int) (Settings, error) {
	var s Settings
	name, rest, some := strings.Cut(text, ":")
	if name != "lora" {
		return s, fmt.Errorf("adapter %q: want %s", clip(text), Usage)
	}
	if !some {
		s.defaults()
		return s, nil
	}
	seen := map[string]bool{}
	for field := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok || seen[key] {
			return s, fmt.Errorf("adapter %q: %q: want each key once, as in %s", clip(text), clip(field), Usage)
		}
		seen[key] = true
		var err error
		switch key {
		case "rank":
			s.Rank, err = strconv.Atoi(value)
			if err == nil && s.Rank < 1 {
				err = fmt.Errorf("less than 1")
			}
		case "alpha":
			s.Alpha, err = strconv.ParseFloat(value, 64)
		case "dropout":
			var p float64
			p, err = strconv.ParseFloat(value, 32)
			s.Dropout = float32(p)
		case "rslora":
			s.RSLoRA, err = strconv.ParseBool(value)
		case "roles":
			s.Roles, err = parseRoles(value)
		case "layers":
			s.Layers, err = parseLayers(value, depth)
		default:
			err = fmt.Errorf("no such key; want %s", Usage)
		}
		if err != nil {
			return s, fmt.Errorf("adapter %q: %s: %w", clip(text), clip(field), err)
		}
	}
	s.defaults()
	return s, s.check()
}

func parseRoles(text string) ([]pass.Role, error) {
	var roles []pass.Role
	for name := range strings.SplitSeq(text, "+") {
		add := []pass.Role(nil)
		for r := range pass.Unembed + 1 {
			if r.String() == name {
				add = []pass.Role{r}
			}
		}
		if name == "all" {
			add = blockRoles
		}
		if add == nil {
			return nil, fmt.Errorf("role %q: not one of q, k, v, o, gate, up, down, unembed, all", clip(name))
		}
		for _, r := range add {
			if !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	return roles, nil
}

func parseLayers(text string, depth int) ([]int, error) {
	if text == "all" {
		return nil, nil
	}
	number := func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		if n < 0 {
			n += depth
		}
		return n, err == nil && n >= 0 && n < depth
	}
	var layers []int
	for part := range strings.SplitSeq(text, "+") {
		from, to := part, part
		if i := strings.LastIndexByte(part, '-'); i > 0 {
			from, to = part[:i], part[i+1:]
		}
		lo, ok1 := number(from)
		hi, ok2 := number(to)
		if !ok1 || !ok2 || lo > hi {
			return nil, fmt.Errorf("layers %q: want 0-11, 0+4, -1 (the last) or all, within 0 to %d", clip(text), depth-1)
		}
		for l := lo; l <= hi; l++ {
			if !slices.Contains(layers, l) {
				layers = append(layers, l)
			}
		}
	}
	return layers, nil
}

// clip keeps an error short.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
