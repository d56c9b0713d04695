"""Make nn/testdata/mamba.json: a Mamba block and its gradients, by transformers' MambaMixer (its slow path).

Usage: python tools/oracle/mamba.py [FILE]

The format is that of ops.py. Weights are cut as mica keeps them: in and gate are the halves of in_proj, low and bc the parts of x_proj.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from transformers.models.mamba.modeling_mamba import MambaMixer

from encode import versions
from families import lifted
from ops import Random, case


def main():
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "nn/testdata/mamba.json")
    r = Random("mamba")
    d, n, k, rank, t = 5, 3, 4, 2, 7
    e = 2 * d
    config = transformers.MambaConfig(hidden_size=d, state_size=n, conv_kernel=k, expand=2, time_step_rank=rank, num_hidden_layers=1, vocab_size=8)
    floats = {"x": r.normal(t, d), "in": r.normal(e, d, scale=0.5), "gate": r.normal(e, d, scale=0.5), "conv": r.normal(e, k, scale=0.5),
              "conv_b": r.normal(e, scale=0.3), "low": r.normal(rank, e, scale=0.4), "bc": r.normal(2 * n, e, scale=0.4),
              "delta": r.normal(e, rank, scale=0.7), "delta_b": r.normal(e), "alog": r.normal(e, n, scale=0.5), "d": r.normal(e),
              "out": r.normal(d, e, scale=0.4)}

    def forward(dtype, v):
        m = MambaMixer(config, layer_idx=0).to(dtype)
        weights = {"in_proj.weight": torch.cat([v["in"], v["gate"]]), "conv1d.weight": v["conv"][:, None], "conv1d.bias": v["conv_b"],
                   "x_proj.weight": torch.cat([v["low"], v["bc"]]), "dt_proj.weight": v["delta"], "dt_proj.bias": v["delta_b"],
                   "A_log": v["alog"], "D": v["d"], "out_proj.weight": v["out"]}
        assert set(weights) == {name for name, _ in m.named_parameters()}

        class Slow(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.m = m

            def forward(self, x):
                return self.m._slow_forward(x)

        def run():
            return torch.func.functional_call(Slow(), {"m." + name: w for name, w in weights.items()}, (v["x"][None],))[0]

        if dtype == torch.float64:
            with lifted():
                y = run()
        else:
            y = run()
        assert y.dtype == dtype
        return {"y": y}

    c = case("block", forward, floats, r.normal(t, d), list(floats))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"made_by": "tools/oracle/mamba.py", "versions": versions("torch", "transformers", "numpy"), "cases": [c]}) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
