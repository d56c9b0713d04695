"""Prints PyTorch's root mean square errors in float32 against float64 for the table of TestError in internal/kernel/conv (torch 2.15.0, one thread, channels last)."""

import torch
import torch.nn.functional as F


def results(x, w, dy, dtype):
    x, w, dy = (t.to(dtype).to(memory_format=torch.channels_last) for t in (x, w, dy))
    x.requires_grad_(), w.requires_grad_()
    y = F.conv2d(x, w, padding=1)
    y.backward(dy)
    return [t.double() for t in (y.detach(), x.grad, w.grad)]


torch.set_num_threads(1)
torch.manual_seed(1)
for images, side, channels in ((2, 32, 32), (1, 7, 256)):
    for positive in (False, True):
        shapes = (images, channels, side, side), (channels, channels, 3, 3), (images, channels, side, side)
        inputs = [torch.randn(s) for s in shapes]
        if positive:
            inputs = [t.abs() for t in inputs]
        pairs = zip(results(*inputs, torch.float32), results(*inputs, torch.float64))
        print(f"{{{images}, {side}, {channels}, {str(positive).lower()},", ", ".join(f"{(a - b).square().mean().sqrt():.2e}" for a, b in pairs) + "},")
