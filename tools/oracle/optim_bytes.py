"""Make optim/testdata/bytes.json: AdamW with 8-bit state as bitsandbytes does it.

Usage: python tools/oracle/optim_bytes.py [FOLDER]      (default: optim/testdata)

The weight and the gradients follow from formulas of small integers, which are exact in float32. Kept are the codebooks,
and after some steps the weight, the codes and the scales of both moments.

bitsandbytes finds the nearest code on a GPU; on a processor its search goes by a table of 65,536 equal steps, which takes all below
7e-6 for one number. Its steps are run here with the search replaced by an exact one.
"""

import json
import pathlib
import sys

import bitsandbytes as bnb
import bitsandbytes.backends.cpu.ops as cpu
import numpy as np
import torch
from bitsandbytes.functional import create_dynamic_map

from encode import b64, put_f32, versions

torch.set_num_threads(1)
N = 5000  # 19 blocks and a part of one
ARGS = {"lr": 0.01, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1}


def gradient(step):
    i = np.arange(N, dtype=np.int64)
    k = (i * 7919 + step * 104729) % 2003 - 1001
    k[k == 0] = 1
    return (k / 1024 * 2.0 ** (i // 256 % 5 - 2)).astype(np.float32)


def quantize(x, code, absmax_out, codes_out, blocksize):
    """The nearest code to each number over the largest magnitude of its block."""
    x, code = x.numpy().reshape(-1), code.numpy()
    middles = (code[1:].astype(np.float64) + code[:-1]) / 2
    for b in range(0, len(x), blocksize):
        part = x[b : b + blocksize]
        top = np.abs(part).max()
        absmax_out[b // blocksize] = float(top)
        codes = np.searchsorted(middles, (part / top).astype(np.float64)).astype(np.uint8)
        codes_out.view(-1)[b : b + blocksize] = torch.from_numpy(codes)


def main():
    cpu._quant_blockwise_fp32_direct = quantize
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "optim/testdata")
    i = np.arange(N, dtype=np.int64)
    p = torch.nn.Parameter(torch.from_numpy(((i * 31 % 997 - 498) / 512).astype(np.float32)))
    o = bnb.optim.AdamW8bit([p], lr=ARGS["lr"], betas=ARGS["betas"], eps=ARGS["eps"], weight_decay=ARGS["weight_decay"])
    after = []
    for step in range(1, 7):
        p.grad = torch.from_numpy(gradient(step))
        o.step()
        s = o.state[p]
        assert s["state1"].dtype == torch.uint8 and len(s["absmax1"]) == 20
        if step in (1, 6):
            after.append({
                "step": step, "weight": put_f32(p.detach().numpy()),
                "mean": b64(s["state1"].numpy(), "u1"), "mean_scale": put_f32(s["absmax1"].numpy()),
                "square": b64(s["state2"].numpy(), "u1"), "square_scale": put_f32(s["absmax2"].numpy()),
            })
    text = json.dumps({
        "made_by": "tools/oracle/optim_bytes.py", "versions": versions("bitsandbytes", "torch", "numpy"), "args": ARGS,
        "signed": put_f32(create_dynamic_map(True).numpy()), "unsigned": put_f32(create_dynamic_map(False).numpy()),
        "after": after,
    })
    (folder / "bytes.json").write_text(text + "\n")
    print(f"{len(text)} bytes")


if __name__ == "__main__":
    main()
