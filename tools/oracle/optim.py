"""Make optim/testdata/*.json: where PyTorch's optimisers take small weights in five steps.

Usage: python tools/oracle/optim.py [FOLDER]      (default: optim/testdata)

Weights and gradients are float32 exactly as stored; the weights after each step are float64, computed in float64.
Beside each stands the largest error of PyTorch in float32: the yardstick. See README.md for how arrays are written.
"""

import json
import pathlib
import sys

import numpy as np
import torch

from encode import put_f32, put_f64, versions

torch.set_num_threads(1)

SHAPES = {"matrix": (3, 17), "bias": (1, 5), "one": (1, 1)}
STEPS = 5

# name: optimiser, its arguments, the largest norm of the gradients (0: any)
CASES = {
    "sgd": [("plain", torch.optim.SGD, {}, 0), ("decay", torch.optim.SGD, {"weight_decay": 0.1}, 0),
            ("momentum", torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}, 0),
            ("nesterov", torch.optim.SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}, 2)],
    "adam": [("default", torch.optim.Adam, {}, 0), ("penalty", torch.optim.Adam, {"weight_decay": 0.1, "betas": (0.8, 0.95)}, 0),
             ("clipped", torch.optim.Adam, {"eps": 1e-3}, 1.5), ("hardly_clipped", torch.optim.Adam, {"eps": 1e-3}, 100)],
    "adamw": [("default", torch.optim.AdamW, {"weight_decay": 0.01}, 0),
              ("strong", torch.optim.AdamW, {"weight_decay": 0.5, "betas": (0.7, 0.9)}, 3)],
}


def run(dtype, kind, args, clip, weights, grads, rates):
    params = [torch.nn.Parameter(torch.from_numpy(w.copy()).to(dtype)) for w in weights.values()]
    o = kind(params, lr=1.0, **args)
    norms, after = [], []
    for step in range(STEPS):
        for p, g in zip(params, grads[step].values()):
            p.grad = torch.from_numpy(g.copy()).to(dtype)
        norms.append(float(torch.nn.utils.clip_grad_norm_(params, clip or 1e30)))
        for group in o.param_groups:
            group["lr"] = rates[step]
        o.step()
        after.append({k: p.detach().clone() for k, p in zip(weights, params)})
    return norms, after


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "optim/testdata")
    folder.mkdir(parents=True, exist_ok=True)
    for name, cases in CASES.items():
        rng = np.random.Generator(np.random.PCG64(list(name.encode())))
        body = []
        for label, kind, args, clip in cases:
            normal = lambda: {k: rng.standard_normal(s).astype(np.float32) for k, s in SHAPES.items()}
            weights, grads = normal(), [normal() for _ in range(STEPS)]
            rates = [0.1, 0.05, 0.0, 0.02, 0.01]
            norms, after = run(torch.float64, kind, args, clip, weights, grads, rates)
            _, after32 = run(torch.float32, kind, args, clip, weights, grads, rates)
            body.append(json.dumps({
                "name": label, "args": args, "clip": clip, "rates": rates, "norms": norms,
                "weights": {k: put_f32(v) for k, v in weights.items()},
                "grads": [{k: put_f32(v) for k, v in g.items()} for g in grads],
                "after": [{k: put_f64(v) for k, v in a.items()} for a in after],
                "torch_f32_max_error": [{k: float((b[k].double() - a[k]).abs().max()) for k in a} for a, b in zip(after, after32)],
            }, separators=(",", ":")))
        head = json.dumps({"optimiser": name, "made_by": "tools/oracle/optim.py", "versions": versions("torch", "numpy")})
        text = f'{head[:-1]}, "cases": [\n' + ",\n".join(body) + "\n]}\n"
        json.loads(text)
        (folder / f"{name}.json").write_text(text)
        print(f"{name:8s} {len(body)} cases {len(text)} bytes")


if __name__ == "__main__":
    main()
