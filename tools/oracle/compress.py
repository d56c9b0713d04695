#!/usr/bin/env python3
"""Writes keep/testdata/compress.json: what SnapKV, H2O, TOVA and PyramidKV keep of
made-up queries and keys, with PyTorch in float64.

The steps are those of the released code: keys repeated for every query head,
softmax over all keys, the sum over queries, the pool, topk. The forms per KV
head add up the query heads of a group before the pool. Original H2O is a
simulation, token by token, of Algorithm 1. Run from the repository's root:

    python tools/oracle/compress.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from encode import put_f32, put_f64, versions

OUT = Path("keep/testdata/compress.json")
MARGIN = 2e-5  # between the last score that is kept and the first that is not
torch.set_default_dtype(torch.float64)


def pattern(q, k, past):
    """q [T, H, Dh] that come after past keys, k [past + T, H, Dh] -> [H, T, n]"""
    t, n = q.shape[0], k.shape[0]
    s = torch.einsum("thd,nhd->htn", q, k) / q.shape[-1] ** 0.5
    mask = torch.full((t, n), float("-inf")).triu(past + 1)
    return torch.softmax(s + mask, dim=-1)


def repeat(k, heads):
    return k.repeat_interleave(heads // k.shape[1], dim=1)


def top(scores, k, ties=False):
    """scores [heads, n] -> sorted indices; the cut must be clear, or a tie, where the earlier wins"""
    rows = []
    for s in scores:
        order = torch.sort(s, descending=True, stable=True)
        if 0 < k < len(s):
            step = order.values[k - 1] - order.values[k]
            assert step > MARGIN or ties and step == 0, f"a cut at {k} is too close to call in float32"
        rows.append(sorted(order.indices[:k].tolist()))
    return rows


def with_recent(older, n, recent):
    return [r + list(range(n - recent, n)) for r in older]


def groups(s, kv):
    return s.reshape(kv, -1, s.shape[-1]).sum(1)


def snapkv(q, k, heads, n, window, budget, pool, kind, per_query):
    kv = k.shape[1]
    p = pattern(q[n - window : n], repeat(k[:n], heads), n - window)
    a = p[:, :, : n - window].sum(dim=-2)
    if not per_query:
        a = groups(a, kv)
    if kind == "avg":
        pooled = F.avg_pool1d(a[None], kernel_size=pool, padding=pool // 2, stride=1)[0]
    else:
        pooled = F.max_pool1d(a[None], kernel_size=pool, padding=pool // 2, stride=1)[0]
    kept = top(pooled, budget - window, ties=kind == "max")  # under a maximum neighbours tie
    return p[:, :, : n - window].sum(dim=-2), with_recent(kept, n, window)


def h2o_prompt(q, k, heads, n, budget, recent, per_query):
    p = pattern(q[:n], repeat(k[:n], heads), 0)
    s = p.sum(dim=-2)
    if not per_query:
        s = groups(s, k.shape[1])
    return p.sum(dim=-2), with_recent(top(s[:, : n - recent], budget - recent), n, recent)


def h2o_steps(q, k, heads, n, steps, budget, recent):
    """per KV head: entries, and what each has received"""
    kv, share = k.shape[1], heads // k.shape[1]
    sums, kept = h2o_prompt(q, k, heads, n, budget, recent, False)
    sums = groups(sums, kv)
    held = kept
    got = [sums[g][held[g]] for g in range(kv)]
    for t in range(n, n + steps):
        for g in range(kv):
            held[g] = held[g] + [t]
            keys = k[held[g], g]
            s = torch.einsum("hd,nd->hn", q[t, g * share : (g + 1) * share], keys) / q.shape[-1] ** 0.5
            got[g] = torch.cat([got[g], torch.zeros(1)]) + torch.softmax(s, -1).sum(0)
            older = len(held[g]) - recent
            keep = top(got[g][None, :older], budget - recent)[0] + list(range(older, len(held[g])))
            held[g] = [held[g][i] for i in keep]
            got[g] = got[g][keep]
    return held


def tova(q, k, heads, n, steps, budget):
    held = None
    for t in range(n - 1, n + steps):
        held = list(range(n)) if t < n else held + [t]
        keys = repeat(k[held], heads)
        s = torch.einsum("hd,nhd->hn", q[t], keys) / q.shape[-1] ** 0.5
        mean = torch.softmax(s, -1).mean(0)
        held = [held[i] for i in top(mean[None], budget)[0]]
    return held


def pyramid_room(n, window, budget, beta, layer, layers):
    """PyramidKVCluster.update_kv, in its own words"""
    min_num = (budget - window) // beta
    max_num = (budget - window) * 2 - min_num
    if max_num >= n - window:
        max_num = n - window
        min_num = (budget - window) * 2 - max_num
    steps = (max_num - min_num) // (layers - 1)
    if n < (budget - window) * 2:
        return budget - window
    return max_num - layer * steps


SHAPES = [  # name, n, H, G, Dh, window, budget, pool, kind, recent
    ("plain", 60, 4, 4, 8, 8, 24, 5, "avg", 6),
    ("groups of 3", 75, 6, 2, 8, 16, 40, 5, "avg", 12),
    ("one kv head", 50, 3, 1, 16, 4, 12, 3, "avg", 2),
    ("max pool", 66, 4, 2, 8, 8, 30, 7, "max", 15),
    ("no pool", 70, 4, 2, 8, 32, 44, 1, "avg", 32),
    ("capacity is the prompt", 40, 4, 2, 8, 8, 40, 5, "avg", 8),
]
STEPS = 12


def case(name, n, heads, kv, dim, window, budget, pool, kind, recent):
    for seed in range(1000):  # until every cut is clear
        rng = np.random.default_rng([2404, 14469, seed, n])
        q32 = (1.5 * rng.standard_normal((n + STEPS, heads, dim))).astype(np.float32)
        k32 = rng.standard_normal((n + STEPS, kv, dim)).astype(np.float32)
        q, k = torch.from_numpy(q32).double(), torch.from_numpy(k32).double()
        try:
            p, per_query = snapkv(q, k, heads, n, window, budget, pool, kind, True)
            _, per_kv = snapkv(q, k, heads, n, window, budget, pool, kind, False)
            sums, h2o_query = h2o_prompt(q, k, heads, n, budget, recent, True)
            _, h2o_kv = h2o_prompt(q, k, heads, n, budget, recent, False)
            h2o_step = h2o_steps(q, k, heads, n, STEPS, budget, recent)
            tova_kept = tova(q, k, heads, n, STEPS, budget)
        except AssertionError:
            continue
        return {
            "name": name, "n": n, "steps": STEPS, "heads": heads, "kv": kv, "dim": dim,
            "window": window, "budget": budget, "pool": pool, "max": kind == "max", "recent": recent,
            "q": put_f32(q32), "k": put_f32(k32),
            "window_sums": put_f64(p.numpy()), "column_sums": put_f64(sums.numpy()),
            "snapkv_query": per_query, "snapkv_kv": per_kv,
            "h2o_query": h2o_query, "h2o_kv": h2o_kv, "h2o_step": h2o_step, "tova": tova_kept,
        }
    raise SystemExit(f"{name}: no seed has clear cuts")


def main():
    rooms = []
    for n, window, budget, beta, layers in [(4000, 32, 1024, 20, 30), (300, 8, 128, 20, 12), (200, 8, 128, 20, 12),
                                             (250, 8, 128, 10, 2), (1000, 32, 96, 20, 5), (64, 60, 64, 20, 4)]:
        rooms.append({"n": n, "window": window, "budget": budget, "beta": beta,
                      "room": [pyramid_room(n, window, budget, beta, i, layers) for i in range(layers)]})
    cases = [case(*s) for s in SHAPES]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    doc = {"script": "tools/oracle/compress.py", "versions": versions("numpy", "torch"), "cases": cases, "rooms": rooms}
    OUT.write_text(json.dumps(doc) + "\n")


if __name__ == "__main__":
    main()
