"""Make learn/robust/testdata/losses.json and learn/elr/testdata/elr.json: losses for wrong labels and their gradients, with PyTorch in float64.

Usage: python tools/oracle/noisy.py

Each loss is written as in its paper. ELR is run for three steps on the same examples, whose logits change: the released
code's order, table first. See README.md for how arrays are written.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

from encode import put_f32, put_f64, put_i32, versions

torch.set_num_threads(1)
torch.manual_seed(5)
B, C = 6, 5
NOISE = torch.softmax(torch.randn(C, C).float() + 3 * torch.eye(C), 1)


def bootstrap(x, y, w, hard):
    p = torch.softmax(x, 1).detach()
    q = F.one_hot(p.argmax(1), C).to(x.dtype) if hard else p
    return -((w * F.one_hot(y, C) + (1 - w) * q) * torch.log_softmax(x, 1)).sum(1).mean()


def generalized(x, y, q):
    p = torch.softmax(x, 1).gather(1, y[:, None])[:, 0]
    return ((1 - p**q) / q).mean()


def symmetric(x, y, a, b):
    p = torch.softmax(x, 1)
    log = torch.where(F.one_hot(y, C) > 0, 0.0, -4.0).to(x.dtype)
    return a * F.cross_entropy(x, y) + b * (-(p * log).sum(1)).mean()


def forward(x, y):
    p = torch.softmax(x, 1) @ NOISE.to(x.dtype)
    return -p.gather(1, y[:, None]).log().mean()


LOSSES = {
    "soft": lambda x, y: bootstrap(x, y, 0.95, False), "hard": lambda x, y: bootstrap(x, y, 0.8, True),
    "generalized": lambda x, y: generalized(x, y, 0.7), "symmetric": lambda x, y: symmetric(x, y, 0.1, 1),
    "forward": forward,
}


def write(path, cases):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"made_by": "tools/oracle/noisy.py", "versions": versions("torch", "numpy"), **cases}) + "\n")


def main():
    x, y = (2 * torch.randn(B, C)).float(), torch.randint(C, (B,))
    out = {"x": put_f32(x.numpy()), "labels": put_i32(y.numpy()), "noise": put_f32(NOISE.numpy()), "losses": {}}
    for name, f in LOSSES.items():
        z = x.double().requires_grad_()
        loss = f(z, y)
        loss.backward()
        out["losses"][name] = {"loss": float(loss), "gradient": put_f64(z.grad.numpy())}
    write("learn/robust/testdata/losses.json", out)

    n, lam, beta = 9, 3.0, 0.7
    table = torch.zeros(n, C, dtype=torch.float64)
    steps = []
    for k in range(3):
        index = torch.randperm(n)[:B]
        x, y = ((4 if k == 1 else 1.5) * torch.randn(B, C)).float(), torch.randint(C, (B,))
        z = x.double().requires_grad_()
        p = torch.softmax(z, 1)
        near = p.clamp(1e-4, 1 - 1e-4)
        with torch.no_grad():
            table[index] = beta * table[index] + (1 - beta) * near / near.sum(1, keepdim=True)
        ce = F.cross_entropy(z, y)
        reg = (1 - (table[index] * near).sum(1)).log().mean()
        (ce + lam * reg).backward()
        steps.append({"index": index.tolist(), "x": put_f32(x.numpy()), "labels": put_i32(y.numpy()), "cross_entropy": float(ce),
                      "elr": float(reg), "gradient": put_f64(z.grad.numpy()), "table": put_f64(table.numpy())})
    write("learn/elr/testdata/elr.json", {"examples": n, "classes": C, "lambda": lam, "beta": beta, "steps": steps})


main()
