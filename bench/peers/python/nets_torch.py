"""The networks of the training rows: a step is forward, backward and AdamW."""
import torch
from torch import nn
import torch.nn.functional as F


class Block(nn.Module):
    """A Llama block: RMS norm, rotary attention, SwiGLU of width mlp."""

    def __init__(self, width, heads, mlp, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, mlp, bias=False), nn.Linear(width, mlp, bias=False)
        self.down = nn.Linear(mlp, width, bias=False)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cos is not None:
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class LM(nn.Module):
    """6 layers of width 256, 4 heads, MLP 704, vocabulary 4096."""

    def __init__(self, layers=6, width=256, heads=4, mlp=704, vocabulary=4096, length=256):
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads, mlp, True) for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, vocabulary, bias=False)
        angle = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, 1, 2 * heads / width))
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids):
        x = self.table(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.head(self.norm(x))


class ViT(nn.Module):
    """ViT-tiny: 32x32 images in patches of 4, 12 layers of width 192, 3 heads, GELU MLP 768, LayerNorm, a class token."""

    def __init__(self, layers=12, width=192, heads=3, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(65, width) * 0.02)
        self.blocks = nn.ModuleList(ViTBlock(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), dim=1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


class ViTBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def mlp():
    """784-512-512-10 with ReLU."""
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def cnn():
    """Three 3x3 convolutions (16, 32, 64 channels) with batch norm and ReLU, the last two with stride 2, then the mean and a linear map."""
    layers, channels = [], 1
    for out, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def step(net, optimize=True):
    """The step of a network on one batch of random data; without optimize, the gradients alone."""
    if net == "lm":
        model, x, y = LM(), torch.randint(4096, (8, 256)), torch.randint(4096, (8 * 256,))
    elif net == "mlp":
        model, x, y = mlp(), torch.randn(128, 784), torch.randint(10, (128,))
    elif net == "cnn":
        model, x, y = cnn(), torch.randn(128, 1, 28, 28), torch.randint(10, (128,))
    elif net == "vit":
        model, x, y = ViT(), torch.randn(64, 3, 32, 32), torch.randint(10, (64,))
    else:
        raise ValueError(f"no network {net!r}")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def call():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, -2), y)
        loss.backward()
        if optimize:
            optimizer.step()
    return call
