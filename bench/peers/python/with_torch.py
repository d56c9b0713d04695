"""PyTorch, eager, float32, on the CPU."""
import torch
import torch.nn.functional as F

import nets_torch


def kinds(threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return KINDS


def forward(f):
    def call():
        with torch.inference_mode():
            f()
    return call


def both(f, *inputs):
    """f and its gradients with respect to inputs."""
    for x in inputs:
        x.requires_grad_()
    seed = torch.randn_like(f())

    def call():
        for x in inputs:
            x.grad = None
        f().backward(seed)
    return call


def pick(f, backward, *inputs):
    return both(f, *inputs) if backward else forward(f)


def matmul(m, n, k, backward=False):
    x, w = torch.randn(m, k), torch.randn(n, k)
    return pick(lambda: F.linear(x, w), backward, x, w)


def conv(n, h, w, c, out, size, groups=1, stride=1, layout="channels first", backward=False):
    x, kernel = torch.randn(n, c, h, w), torch.randn(out, c // groups, size, size)
    if layout == "channels last":
        x, kernel = x.to(memory_format=torch.channels_last), kernel.to(memory_format=torch.channels_last)
    return pick(lambda: F.conv2d(x, kernel, padding=size // 2, stride=stride, groups=groups), backward, x, kernel)


def attention(t, heads, kv, dim, backward=False):
    q, k, v = torch.randn(1, heads, t, dim), torch.randn(1, kv, t, dim), torch.randn(1, kv, t, dim)
    return pick(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv), backward, q, k, v)


def layernorm(rows, width, backward=False):
    x, w, b = torch.randn(rows, width), torch.randn(width), torch.randn(width)
    return pick(lambda: F.layer_norm(x, (width,), w, b), backward, x, w, b)


def rmsnorm(rows, width, backward=False):
    x, w = torch.randn(rows, width), torch.randn(width)
    return pick(lambda: F.rms_norm(x, (width,), w), backward, x, w)


def softmax(rows, width, backward=False):
    x = torch.randn(rows, width)
    return pick(lambda: F.softmax(x, dim=1), backward, x)


def swiglu(rows, width, backward=False):
    g, u = torch.randn(rows, width), torch.randn(rows, width)
    return pick(lambda: F.silu(g) * u, backward, g, u)


def crossentropy(rows, width, backward=False):
    x, target = torch.randn(rows, width), torch.randint(width, (rows,))
    return pick(lambda: F.cross_entropy(x, target), backward, x)


def adam(count):
    x = torch.randn(count, requires_grad=True)
    x.grad = torch.randn(count)
    return torch.optim.AdamW([x], lr=1e-4, fused=True).step


def train(net, optimize=True):
    return nets_torch.step(net, optimize)


KINDS = {f.__name__: f for f in (matmul, conv, attention, layernorm, rmsnorm, softmax, swiglu, crossentropy, adam, train)}
