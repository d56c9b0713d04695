#!/usr/bin/env python3
"""Writes keep/gemfilter/testdata/select.json: scores, pooled scores and
selections of GemFilter on made-up queries and keys, with NumPy in float64.

The steps are those of the authors' released code, in its order: keys repeated
for every query head, one dot product per head, the sum over heads, the
average pool, the top k. Run from the repository's root:

    python tools/oracle/gemfilter.py
"""

import json
from pathlib import Path

import numpy as np

from encode import put_f32, put_f64, versions

OUT = Path("keep/gemfilter/testdata/select.json")
SHAPES = [  # name, n, H, G, Dh, window, k
    ("plain", 40, 4, 4, 8, 5, 12),
    ("groups of 3", 61, 9, 3, 16, 5, 20),
    ("one kv head", 33, 6, 1, 8, 5, 7),
    ("no pool", 50, 4, 2, 8, 1, 10),
    ("window 7", 50, 4, 2, 8, 7, 10),
    ("shorter than the window", 3, 2, 1, 4, 5, 2),
    ("one token", 1, 2, 2, 4, 5, 1),
    ("more than there is", 9, 2, 1, 4, 5, 30),
    ("all negative", 30, 2, 2, 8, 5, 9),
    ("ties", 24, 2, 1, 4, 5, 6),
]


def pool(scores, window):
    padded = np.pad(scores, window // 2)
    return np.array([padded[i : i + window].sum() / window for i in range(len(scores))])


def top(scores, k):
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return sorted(order[: min(k, len(scores))])


def case(rng, name, n, heads, kv, dim, window, k):
    q = rng.standard_normal((heads, dim)).astype(np.float32)
    keys = rng.standard_normal((n, kv, dim)).astype(np.float32)
    if name == "all negative":
        q, keys = np.abs(q), -np.abs(keys)
    if name == "ties":  # small whole numbers: every sum is exact
        q = rng.integers(-1, 2, q.shape).astype(np.float32)
        keys = rng.integers(-1, 2, keys.shape).astype(np.float32)
    repeated = np.repeat(keys.astype(np.float64), heads // kv, axis=1)  # [n, H, Dh]
    scores = np.einsum("hd,nhd->n", q.astype(np.float64), repeated)
    pooled = pool(scores, window)
    if name == "ties":  # of sums, which are whole numbers, not of quotients
        pooled = np.round(pooled * window) / window
    ranked = np.sort(pooled)[::-1]
    if k < n:  # float32 must cut in the same place: at a clear step, or at a tie of the same sums
        step = ranked[k - 1] - ranked[k]
        assert step == 0 or step > 1e-4, f"{name}: the cut is too close to call in float32"
        assert (step == 0) == (name in ("ties", "shorter than the window")), name
    return {
        "name": name, "heads": heads, "kv": kv, "dim": dim, "window": window, "k": k,
        "q": put_f32(q), "keys": put_f32(keys),
        "scores": put_f64(scores), "pooled": put_f64(pooled), "kept": top(pooled, k),
    }


def main():
    rng = np.random.default_rng(2409)
    cases = [case(rng, *s) for s in SHAPES]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"script": "tools/oracle/gemfilter.py", "versions": versions("numpy"), "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
