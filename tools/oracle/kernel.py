"""Make look/kernel/testdata/kernel.json and nn/wiring/testdata/rank.json: alignments, effective ranks, tangent kernels of a
ReLU RNN and rank-r matrices, with NumPy and PyTorch in float64.

Usage: python tools/oracle/kernel.py

The Jacobian comes from torch.autograd.functional.jacobian through a loop that is written out. See README.md for how arrays
are written.
"""

import json
import pathlib

import numpy as np
import torch

from encode import put_f32, put_f64, versions

torch.set_num_threads(1)
T, TRIALS, IN, H, OUT = 4, 3, 2, 5, 2


def align(a, b):
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def write(path, cases):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"made_by": "tools/oracle/kernel.py", "versions": versions("torch", "numpy"), **cases}) + "\n")


def kernels(rng):
    x, y = rng.standard_normal((6, 4)).astype("f4"), np.abs(rng.standard_normal((6, 7))).astype("f4")
    a, b = x.astype("f8") @ x.astype("f8").T, y.astype("f8") @ y.astype("f8").T
    h = np.eye(6) - 1 / 6
    return {"x": put_f32(x), "y": put_f32(y), "alignment": align(a, b), "centred": align(h @ a @ h, h @ b @ h)}


def spectrum(rng):
    w = rng.standard_normal((5, 5))
    s = np.linalg.svd(w, compute_uv=False)
    p = s / s.sum()
    return {"w": put_f64(w), "values": put_f64(s), "radius": float(np.abs(np.linalg.eigvals(w)).max()),
            "entropy": float(np.exp(-(p * np.log(p)).sum())), "participation": float((s**2).sum() ** 2 / (s**4).sum()),
            "stable": float((w**2).sum() / s[0] ** 2)}


def tangent(rng):
    x, wx, wh, wo = (rng.standard_normal(s).astype("f4") for s in [(TRIALS, T, IN), (H, IN), (H, H), (OUT, H)])
    tx, twx, two = (torch.tensor(a, dtype=torch.float64) for a in (x, wx, wo))

    def outputs(w):
        ys = []
        for trial in tx:
            h = torch.zeros(H, dtype=torch.float64)
            for step in trial:
                h = torch.relu(twx @ step + w @ h)
                ys.append(two @ h)
        return torch.cat(ys)

    j = torch.autograd.functional.jacobian(outputs, torch.tensor(wh, dtype=torch.float64)).reshape(TRIALS * T * OUT, H * H).numpy()
    return {"x": put_f32(x), "wx": put_f32(wx), "wh": put_f32(wh), "wo": put_f32(wo), "jacobian": put_f64(j), "kernel": put_f64(j @ j.T)}


def ranks(rng):
    cases = []
    for shape, r in [((6, 6), 1), ((6, 6), 3), ((7, 4), 2)]:
        w = rng.standard_normal(shape)
        u, s, v = np.linalg.svd(w, full_matrices=False)
        cut = (u[:, :r] * s[:r]) @ v[:r]
        cases.append({"rank": r, "w": put_f64(w), "cut": put_f64(cut * np.linalg.norm(w) / np.linalg.norm(cut))})
    return cases


rng = np.random.default_rng(9)
write("look/kernel/testdata/kernel.json", {"kernels": kernels(rng), "spectrum": spectrum(rng), "tangent": tangent(rng)})
write("nn/wiring/testdata/rank.json", {"cases": ranks(rng)})
