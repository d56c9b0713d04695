package lora

import (
	"strings"

	"github.com/micaml/mica/pass"
)

// lowA and lowB end the names of tensors in PEFT's files, and prefix begins them.
const (
	prefix = "base_model.model."
	lowA   = ".lora_A.weight"
	lowB   = ".lora_B.weight"
)

// places returns where the maps of each module of a network are, in order.
func places(n pass.Net, names Named) map[string][]place {
	all := map[string][]place{}
	for i := range len(n.Layers()) + 1 {
		for r := range pass.Unembed + 1 {
			if m, _ := names.Module(i, r); m != "" {
				all[m] = append(all[m], place{i, r})
			}
		}
	}
	return all
}

// describe returns the end of a module's name that no other module of its layer has,
// for target_modules, and how many outputs the module has.
func describe(n pass.Net, names Named, layer int, module string) (target string, outs int) {
	last := module[strings.LastIndexByte(module, '.')+1:]
	target = last
	for r := range pass.Unembed + 1 {
		switch m, _ := names.Module(layer, r); {
		case m == module:
			outs += n.Weight(layer, r).Out()
		case strings.HasSuffix(m, "."+last): // mlp.c_proj and attn.c_proj
			parts := strings.Split(module, ".")
			target = strings.Join(parts[max(0, len(parts)-2):], ".")
		}
	}
	return target, outs
}
