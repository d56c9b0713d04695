package pass

import (
	"fmt"
	"strconv"
	"strings"
)

// Site is a named place inside a layer where the stream can be watched and,
// where the table says so, edited.
type Site uint8

// The sites; [Sites] says what each holds.
const (
	ResidPre Site = iota
	AttnIn
	Q
	K
	V
	RotQ
	RotK
	LastRow
	ColumnSums
	Z
	AttnOut
	ResidMid
	MLPIn
	GateAct
	UpAct
	MLPMid
	MLPOut
	ResidPost
	sites
)

// SiteInfo is a row of the site table.
type SiteInfo struct {
	Site  Site
	Name  string // short name, TransformerLens's spelling without "hook_"
	Hook  string // TransformerLens's own name within a block
	Shape string // with the dimension letters of package op
	Edit  bool   // whether it can be edited, and not only watched
	Doc   string
}

// Sites is the one table of sites: names, shapes and documentation.
var Sites = [sites]SiteInfo{
	{ResidPre, "resid_pre", "hook_resid_pre", "[T, D]", true, "residual stream before the layer"},
	{AttnIn, "attn_in", "ln1.hook_normalized", "[T, D]", true, "normed input of attention"},
	{Q, "attn.q", "attn.hook_q", "[T, H*Dh]", true, "queries before rotary embedding"},
	{K, "attn.k", "attn.hook_k", "[T, G*Dh]", true, "keys before rotary embedding"},
	{V, "attn.v", "attn.hook_v", "[T, G*Dh]", true, "values"},
	{RotQ, "attn.rot_q", "attn.hook_rot_q", "[T, H*Dh]", true, "queries after rotary embedding"},
	{RotK, "attn.rot_k", "attn.hook_rot_k", "[T, G*Dh]", true, "keys after rotary embedding"},
	{LastRow, "attn.pattern_last", "attn.hook_pattern[-1]", "[H, n]", false, "attention probabilities of the last query"},
	{ColumnSums, "attn.pattern_sums", "attn.hook_pattern.sum(queries)", "[H, n]", false, "attention that each key received, summed over queries so far"},
	{Z, "attn.z", "attn.hook_z", "[T, H*Dh]", true, "outputs of the heads, before the output projection"},
	{AttnOut, "attn_out", "hook_attn_out", "[T, D]", true, "what attention adds to the stream"},
	{ResidMid, "resid_mid", "hook_resid_mid", "[T, D]", true, "residual stream between attention and MLP"},
	{MLPIn, "mlp_in", "ln2.hook_normalized", "[T, D]", true, "normed input of the MLP"},
	{GateAct, "mlp.pre", "mlp.hook_pre", "[T, F]", true, "gate before its activation"},
	{UpAct, "mlp.pre_linear", "mlp.hook_pre_linear", "[T, F]", true, "up projection"},
	{MLPMid, "mlp.post", "mlp.hook_post", "[T, F]", true, "hidden activations of the MLP"},
	{MLPOut, "mlp_out", "hook_mlp_out", "[T, D]", true, "what the MLP adds to the stream"},
	{ResidPost, "resid_post", "hook_resid_post", "[T, D]", true, "residual stream after the layer"},
}

func (s Site) String() string { return Sites[s].Name }

// allLayers is the layer of an address that names none.
const allLayers = -1

// ParseSite reads the address of a site: "5.attn.q", "attn.q" (every layer),
// or TransformerLens's "blocks.5.attn.hook_q". It returns layer -1 for every
// layer.
func ParseSite(address string) (layer int, s Site, err error) {
	name := strings.TrimPrefix(address, "blocks.")
	layer = allLayers
	if head, rest, ok := strings.Cut(name, "."); ok {
		if n, e := strconv.Atoi(head); e == nil {
			if n < 0 {
				return 0, 0, fmt.Errorf("site %q: layer %d is negative", address, n)
			}
			layer, name = n, rest
		}
	}
	for _, i := range Sites {
		if name == i.Name || name == i.Hook {
			return layer, i.Site, nil
		}
	}
	return 0, 0, fmt.Errorf("site %q: no such site; %s", address, known())
}

func known() string {
	var n []string
	for _, i := range Sites {
		n = append(n, i.Name)
	}
	return "known are " + strings.Join(n, ", ")
}
