"""Make learn/contrast/testdata/losses.json and look/probe/testdata/minimum.json: contrastive losses and their gradients, and
least squares of least norm, with PyTorch in float64.

Usage: python tools/oracle/contrast.py

NT-Xent is SimCLR's: cross-entropy over the other rows with the other view as the class. The supervised loss and the
spectral one are written as loops over anchors. Identity head: two identity maps with the symmetric ReLU of threshold 0.3
between them, behind which NT-Xent stands. See README.md for how arrays are written.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

from encode import put_f32, put_f64, put_i32, versions

torch.set_num_threads(1)
torch.manual_seed(9)
PAIRS, D, TAU = 4, 5, 0.5
N = 2 * PAIRS


def similarity(y):
    return F.cosine_similarity(y[:, None], y[None], dim=-1) / TAU


def nt_xent(y, index):
    s = similarity(y).masked_fill(torch.eye(N, dtype=torch.bool), -torch.inf)
    other = torch.tensor([[j for j in range(N) if j != i and index[j] == index[i]][0] for i in range(N)])
    return F.cross_entropy(s, other)


def sup_con(y, labels):
    s, terms = similarity(y), []
    for i in range(N):
        positives = [j for j in range(N) if j != i and labels[j] == labels[i]]
        rest = [j for j in range(N) if j != i]
        if positives:
            terms.append(torch.logsumexp(s[i, rest], 0) - s[i, positives].mean())
    return torch.stack(terms).mean()


def spectral(y, index):
    g = y @ y.T
    same = torch.tensor([[index[i] == index[j] for j in range(N)] for i in range(N)])
    eye = torch.eye(N, dtype=torch.bool)
    return -2 * g[same & ~eye].mean() + (g[~same] ** 2).mean()


def reweighted(y, index):
    return nt_xent(y * 1.3 ** -torch.arange(D, dtype=y.dtype), index)


def identity(y, index):
    return nt_xent(F.relu(y - 0.3) - F.relu(-y - 0.3), index)


def write(path, cases):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"made_by": "tools/oracle/contrast.py", "versions": versions("torch", "numpy"), **cases}) + "\n")


def main():
    x = torch.randn(N, D).float()
    index, labels = [7, 3, 7, 9, 0, 3, 0, 9], [1, 0, 1, 2, 0, 1, 3, 0]
    out = {"x": put_f32(x.numpy()), "index": index, "labels": labels, "losses": {}}
    for name, f, to in [("nt_xent", nt_xent, index), ("sup_con", sup_con, labels), ("spectral", spectral, index),
                        ("reweighted", reweighted, index), ("identity", identity, index)]:
        z = x.double().requires_grad_()
        loss = f(z, to)
        loss.backward()
        out["losses"][name] = {"loss": float(loss), "gradient": put_f64(z.grad.numpy())}
    write("learn/contrast/testdata/losses.json", out)

    cases = []
    for n, d, classes, rank in [(6, 10, 3, 6), (12, 5, 3, 5), (9, 8, 2, 4)]:
        a = (torch.randn(n, rank) @ torch.randn(rank, d)).float()
        labels = torch.arange(n) % classes
        y = 2 * F.one_hot(labels, classes).double() - 1
        # Single numbers below 1e-6 of the largest are rounding of the float32 input.
        w = torch.linalg.pinv(a.double(), rtol=1e-6) @ y
        mean = a.double().mean(0)
        centred = torch.linalg.pinv(a.double() - mean, rtol=1e-6) @ (y - y.mean(0))
        cases.append({"x": put_f32(a.numpy()), "labels": put_i32(labels.numpy()), "classes": classes, "weights": put_f64(w.numpy()),
                      "centred": put_f64(centred.numpy()), "bias": put_f64((y.mean(0) - mean @ centred).numpy())})
    write("look/probe/testdata/minimum.json", {"cases": cases})


main()
