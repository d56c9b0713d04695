"""Make model/vision/testdata/vision.json: logits, loss and gradients of three tiny networks, with PyTorch in float64.

Usage: python tools/oracle/vision.py [OUT]

Weights and pictures are float32 exactly as stored; pictures are [B, h, w, channels]. The CNN's gradients are those of
training, with the statistics of the batch; its logits those of inference after that one step of running statistics.
Beside each stands the largest error of PyTorch in float32: the yardstick. See README.md for how arrays are written.
"""

import copy
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

from encode import put_f32, put_f64, put_i32, versions

torch.set_num_threads(1)
B, CLASSES = 3, 4


class MLP(nn.Module):
    names = {"mlp.0": "a", "mlp.1": "b", "head": "head"}

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, 5), nn.Linear(5, 7), nn.Linear(7, CLASSES)

    def forward(self, x):
        return self.head(F.relu(self.b(F.relu(self.a(x.flatten(1))))))


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        c = lambda i, o, s: nn.Conv2d(i, o, 3, s, 1, bias=False)
        self.convs = nn.ModuleList([c(2, 4, 1), c(4, 4, 1), c(4, 6, 2)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(n) for n in (4, 4, 6)])
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x):
        x = x.permute(0, 3, 1, 2)
        for i, (c, n) in enumerate(zip(self.convs, self.norms)):
            y = n(c(x))
            x = F.relu(y + x if i == 1 else y)
        return self.head(x.mean((2, 3)))


class ViT(nn.Module):
    D, H, M, P = 8, 2, 12, 2

    def __init__(self):
        super().__init__()
        d = self.D
        self.patches = nn.Linear(self.P * self.P * 2, d)
        self.cls, self.positions = nn.Parameter(torch.randn(1, d)), nn.Parameter(torch.randn(7, d))
        self.blocks = nn.ModuleList()
        for _ in range(2):
            b = nn.ModuleDict({k: nn.Linear(d, d) for k in "qkvo"})
            b.update({"up": nn.Linear(d, self.M), "down": nn.Linear(self.M, d), "attn_norm": nn.LayerNorm(d), "mlp_norm": nn.LayerNorm(d)})
            self.blocks.append(b)
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, CLASSES)

    def forward(self, x):
        b, h, w, c = x.shape
        p = self.P
        x = x.reshape(b, h // p, p, w // p, p, c).permute(0, 1, 3, 2, 4, 5).reshape(b, -1, p * p * c)
        x = torch.cat((self.cls[None].expand(b, -1, -1), self.patches(x)), 1) + self.positions
        for k in self.blocks:
            n = k["attn_norm"](x)
            q, key, v = (k[s](n).reshape(b, -1, self.H, self.D // self.H).transpose(1, 2) for s in "qkv")
            a = torch.softmax(q @ key.transpose(-1, -2) / (self.D // self.H) ** 0.5, -1) @ v
            x = x + k["o"](a.transpose(1, 2).reshape(b, -1, self.D))
            x = x + k["down"](F.gelu(k["up"](k["mlp_norm"](x))))
        return self.head(self.norm(x[:, 0]))


def stored(net):
    """Weights by mica's names, with the axes in mica's order."""
    out = {}
    for name, p in net.named_parameters():
        name = name.replace("convs.", "conv.").replace("norms.", "conv.") if isinstance(net, CNN) else name
        if isinstance(net, CNN) and name.startswith("conv.") and p.dim() == 1:
            i, kind = name.split(".")[1:]
            name = f"conv.{i}.norm.{kind}"
        if isinstance(net, MLP):
            name = name.replace("a.", "mlp.0.", 1) if name.startswith("a.") else name.replace("b.", "mlp.1.", 1) if name.startswith("b.") else name
        name = {"cls": "class.weight", "positions": "positions.weight"}.get(name, name)
        out[name] = p
    return out


def axes(t):
    return t.permute(0, 2, 3, 1).flatten(1) if t.dim() == 4 else t[None] if t.dim() == 1 else t


def run(net, x, labels, dtype):
    net = copy.deepcopy(net).to(dtype).train()
    loss = F.cross_entropy(net(x.to(dtype)), labels)
    loss.backward()
    grads = {k: axes(p.grad) for k, p in stored(net).items()}
    with torch.no_grad():
        logits = net.eval()(x.to(dtype))
    return loss.detach(), grads, logits


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "model/vision/testdata/vision.json")
    cases = {}
    for seed, (name, make, shape) in enumerate([("mlp", MLP, (6,)), ("cnn", CNN, (5, 6, 2)), ("vit", ViT, (4, 6, 2))]):
        torch.manual_seed(seed)
        net = make()
        with torch.no_grad():
            for p in net.parameters():
                if p.dim() == 1:
                    p.add_(0.3 * torch.randn_like(p))
        x, labels = torch.randn(B, *shape), torch.randint(CLASSES, (B,))
        loss, grads, logits = run(net, x, labels, torch.float64)
        loss32, grads32, logits32 = run(net, x, labels, torch.float32)
        cases[name] = {
            "x": put_f32(x.numpy()), "labels": put_i32(labels.numpy()), "loss": float(loss),
            "loss_error": float((loss - loss32).abs()), "logits": put_f64(logits.numpy()),
            "logits_error": float((logits - logits32).abs().max()),
            "weights": {k: put_f32(axes(p.detach()).contiguous().numpy()) for k, p in stored(net).items()},
            "gradients": {k: put_f64(g.contiguous().numpy()) for k, g in grads.items()},
            "gradient_error": max(float((grads[k] - grads32[k]).abs().max()) for k in grads),
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"made_by": "tools/oracle/vision.py", "versions": versions("torch", "numpy"), "cases": cases}) + "\n")


main()
