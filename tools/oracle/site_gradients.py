"""Gradients of a loss with respect to what passes the sites of a small decoder, by hooks of PyTorch.

Usage: python tools/oracle/site_gradients.py model/lm/testdata/families

Writes site_gradients.json for the checkpoints of families.py: the gradients of the mean cross-entropy of the prompt, in float64,
kept as float32, at `rows`; and `torch_f32_max_error`, the largest error of PyTorch's float32 over all rows.
"""

import json
import pathlib
import sys

import torch
import transformers

from encode import put_f32
from families import ROWS, TARGETS, TOKENS, build, lift, lifted

NAMES = ["qwen2", "qwen3"]


def gradients(model):
    kept = {}

    def keep(layer, site, x):
        x.retain_grad()
        kept[layer, site] = x

    for i, b in enumerate(model.model.layers):
        b.self_attn.q_proj.register_forward_hook(lambda m, a, out, i=i: keep(i, "attn.q", out))
        b.self_attn.v_proj.register_forward_hook(lambda m, a, out, i=i: keep(i, "attn.v", out))
        b.self_attn.o_proj.register_forward_pre_hook(lambda m, a, i=i: keep(i, "attn.z", a[0]))
        b.post_attention_layernorm.register_forward_pre_hook(lambda m, a, i=i: keep(i, "resid_mid", a[0]))
        b.mlp.down_proj.register_forward_pre_hook(lambda m, a, i=i: keep(i, "mlp.post", a[0]))
        b.mlp.register_forward_hook(lambda m, a, out, i=i: keep(i, "mlp_out", out))
        b.register_forward_hook(lambda m, a, out, i=i: keep(i, "resid_post", out[0] if isinstance(out, tuple) else out))
    logits = model(input_ids=torch.tensor([TOKENS]), use_cache=False).logits[0]
    torch.nn.functional.cross_entropy(logits, torch.tensor(TARGETS)).backward()
    return {k: x.grad[0].double() for k, x in kept.items()}


def main():
    models = []
    for name in NAMES:
        with lifted():
            exact = gradients(lift(build(name)[1]))
        rounded = gradients(build(name)[1])
        models.append({"name": name, "sites": [
            {"layer": layer, "site": site, "gradient": put_f32(x[ROWS].float()), "torch_f32_max_error": (x - rounded[layer, site]).abs().max().item()}
            for (layer, site), x in sorted(exact.items())]})
    head = {"made": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, float64",
            "tokens": TOKENS, "targets": TARGETS, "rows": ROWS, "models": models}
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "model/lm/testdata/families") / "site_gradients.json"
    path.write_text(json.dumps(head, separators=(",", ":")).replace('{"layer"', '\n{"layer"') + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
