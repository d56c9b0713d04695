"""Make op/testdata/*.json: what PyTorch says each op and its gradient are.

Usage: python tools/oracle/ops.py [FOLDER]      (default: op/testdata)

Every number that goes in is float32 (or float16, bfloat16, a GGUF block) exactly as stored, every number that
comes out is float64, computed in float64. Beside each result stands the error that PyTorch itself makes in
float32, largest over the elements: the yardstick for `exact` mode. See README.md for the format.
"""

import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
import torch.nn.functional as F

from encode import put_f32, put_f64, put_i32, put_raw, versions

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


class Random:
    """Float32 test data; the seed is the file's name, so that one file does not depend on another."""

    def __init__(self, name):
        self.g = np.random.Generator(np.random.PCG64(list(name.encode())))

    def normal(self, *shape, scale=1.0):
        return (self.g.standard_normal(shape) * scale).astype(np.float32)

    def ids(self, n, top):
        return self.g.integers(0, top, size=n).astype(np.int32)


def max_error(a, b):
    return float((a.double() - b).abs().max()) if b.numel() else 0.0


def case(name, forward, floats, dy, wrt, attrs=None, extra=None, outputs_only=()):
    """Run forward(dtype, tensors) -> {"y": ..., more} in float64 and float32, and differentiate y against wrt.

    floats: float32 arrays by name; extra: already encoded inputs; outputs_only: outputs without a gradient.
    """
    results = {}
    for dtype in (torch.float64, torch.float32):
        t = {k: torch.from_numpy(v).to(dtype).requires_grad_(k in wrt) for k, v in floats.items()}
        out = forward(dtype, t)
        grads = dict(zip(wrt, torch.autograd.grad(out["y"], [t[k] for k in wrt], torch.from_numpy(dy).to(dtype))))
        results[dtype] = (out, grads)
    out, grads = results[torch.float64]
    out32, grads32 = results[torch.float32]
    inputs = {k: put_f32(v) for k, v in floats.items()}
    inputs.update(extra or {})
    inputs["dy"] = put_f32(dy)
    return {
        "name": name,
        "attrs": attrs or {},
        "inputs": inputs,
        "outputs": {k: put_f64(v.detach()) for k, v in out.items()},
        "grads": {"d" + k: put_f64(v) for k, v in grads.items()},
        "torch_f32_max_error": {**{k: max_error(out32[k].detach(), v.detach()) for k, v in out.items()},
                                **{"d" + k: max_error(grads32[k], v) for k, v in grads.items()}},
    }


def linear():
    r = Random("linear")
    cases = []
    for t, n, k, bias in [(1, 1, 1, False), (3, 17, 65, False), (17, 3, 1, True), (65, 5, 3, True), (2, 9, 130, True), (7, 65, 5, False)]:
        floats = {"x": r.normal(t, k), "w": r.normal(n, k, scale=1 / math.sqrt(k))}
        if bias:
            floats["b"] = r.normal(n)
        cases.append(case(f"t{t}_n{n}_k{k}" + ("_bias" if bias else ""),
                          lambda _, v: {"y": F.linear(v["x"], v["w"], v.get("b"))},
                          floats, r.normal(t, n), list(floats)))
    return cases


def linear_stored():
    """Weights as they lie in a file. Only x has a gradient: a stored weight is frozen."""
    r = Random("linear_stored")
    types = gguf.GGMLQuantizationType
    cases = []
    for kind in (types.F16, types.BF16, types.Q8_0, types.Q4_0, types.Q4_1):
        odd = kind in (types.F16, types.BF16)
        for t, n, k in [(1, 1, 1), (3, 5, 65), (17, 3, 33)] if odd else [(1, 1, 32), (3, 17, 64), (9, 5, 96), (2, 3, 288)]:
            w = r.normal(n, k, scale=1 / math.sqrt(k))
            # Block types have edge cases of their own: a block of zeros (scale 0) and a constant block.
            if not odd and n > 2:
                w[1, :32] = 0
                w[2, :32] = 0.25
            if kind == types.F16:
                raw = w.astype("<f2")
                deq = raw.astype(np.float32)
            else:
                raw = gguf.quants.quantize(w, kind)
                deq = gguf.quants.dequantize(raw, kind).reshape(n, k)
            wd = torch.from_numpy(np.array(deq, dtype=np.float32))
            cases.append(case(f"{kind.name.lower()}_t{t}_n{n}_k{k}",
                              lambda dtype, v, wd=wd: {"y": F.linear(v["x"], wd.to(dtype))},
                              {"x": r.normal(t, k)}, r.normal(t, n), ["x"],
                              extra={"w": put_raw((n, k), kind.name, np.ascontiguousarray(raw).view(np.uint8))}))
    return cases


def embedding():
    r = Random("embedding")
    cases = []
    for t, v, d in [(1, 1, 1), (17, 5, 3), (3, 65, 17), (65, 17, 4)]:
        ids = r.ids(t, v)
        cases.append(case(f"t{t}_v{v}_d{d}", lambda _, x, ids=ids: {"y": F.embedding(torch.from_numpy(ids).long(), x["w"])},
                          {"w": r.normal(v, d)}, r.normal(t, d), ["w"], extra={"ids": put_i32(ids)}))
    return cases


def rmsnorm():
    r = Random("rmsnorm")
    cases = []
    for t, d, scale in [(1, 1, 1), (3, 17, 1), (5, 65, 1), (65, 3, 1), (1, 576, 30), (3, 33, 1e-3)]:
        x = r.normal(t, d, scale=scale)
        if scale < 1:
            x[1] = 0  # only eps keeps this row finite
        cases.append(case(f"t{t}_d{d}_scale{scale:g}", lambda _, v, d=d: {"y": F.rms_norm(v["x"], (d,), v["weight"], 1e-5)},
                          {"x": x, "weight": 1 + r.normal(d, scale=0.3)}, r.normal(t, d), ["x", "weight"], attrs={"eps": 1e-5}))
    return cases


def layernorm():
    r = Random("layernorm")
    cases = []
    for t, d, scale, shift, bias in [(1, 1, 1, 0, True), (3, 17, 1, 0, True), (5, 65, 1, 3, True), (65, 3, 1, 0, False), (2, 576, 30, 10, True),
                                     (3, 33, 1e-3, 0, False)]:
        x = (r.normal(t, d, scale=scale) + shift).astype(np.float32)
        if scale < 1:
            x[1] = 0.5  # no variance: only eps keeps this row finite
        floats = {"x": x, "weight": 1 + r.normal(d, scale=0.3)}
        if bias:
            floats["bias"] = r.normal(d)
        cases.append(case(f"t{t}_d{d}_scale{scale:g}" + ("_bias" if bias else ""),
                          lambda _, v, d=d: {"y": F.layer_norm(v["x"], (d,), v["weight"], v.get("bias"), 1e-5)},
                          floats, r.normal(t, d), list(floats), attrs={"eps": 1e-5}))
    return cases


def batchnorm():
    """Statistics over the rows. running_mean and running_var come out as training leaves them (momentum 0.1)."""
    r = Random("batchnorm")
    cases = []
    for t, c, training, bias in [(2, 1, True, True), (7, 17, True, True), (65, 3, True, False), (300, 3, True, True), (1, 5, False, True), (9, 33, False, False)]:
        floats = {"x": (r.normal(t, c, scale=2) + 1).astype(np.float32), "weight": 1 + r.normal(c, scale=0.3)}
        if bias:
            floats["bias"] = r.normal(c)
        mean, var = r.normal(c), (1 + r.normal(c) ** 2).astype(np.float32)

        def forward(dtype, v, mean=mean, var=var, training=training):
            m, s = torch.from_numpy(mean).to(dtype).clone(), torch.from_numpy(var).to(dtype).clone()
            y = F.batch_norm(v["x"], m, s, v["weight"], v.get("bias"), training, 0.1, 1e-5)
            return {"y": y, "running_mean": m, "running_var": s}

        cases.append(case(f"t{t}_c{c}" + ("_training" if training else "") + ("_bias" if bias else ""), forward, floats, r.normal(t, c), list(floats),
                          attrs={"eps": 1e-5, "training": training}, extra={"mean": put_f32(mean), "var": put_f32(var)}))
    return cases


def groupnorm():
    """x [N*H*W,C], channels last; PyTorch wants [N,C,H*W]."""
    r = Random("groupnorm")
    cases = []
    for n, hw, c, groups, bias in [(1, 1, 4, 2, True), (3, 7, 6, 3, True), (2, 49, 17, 17, False), (2, 270, 3, 1, True), (4, 5, 66, 2, True)]:
        floats = {"x": (r.normal(n * hw, c, scale=2) + 1).astype(np.float32), "weight": 1 + r.normal(c, scale=0.3)}
        if bias:
            floats["bias"] = r.normal(c)

        def forward(_, v, n=n, hw=hw, c=c, groups=groups):
            x = v["x"].reshape(n, hw, c).transpose(1, 2)
            return {"y": F.group_norm(x, groups, v["weight"], v.get("bias"), 1e-5).transpose(1, 2).reshape(n * hw, c)}

        cases.append(case(f"n{n}_hw{hw}_c{c}_groups{groups}" + ("_bias" if bias else ""), forward, floats, r.normal(n * hw, c), list(floats),
                          attrs={"eps": 1e-5, "samples": n, "groups": groups}))
    return cases


def rope():
    """layout norm: pairs (2i, 2i+1), as in Llama GGUF files; neox: (i, i+rotary/2), as in Hugging Face Llama."""
    r = Random("rope")

    def rotate(x, pos, layout, base, rotary):
        # The float32 run forms its angles in float32, as transformers and llama.cpp do; far positions show it.
        freq = base ** (-torch.arange(0, rotary, 2, dtype=x.dtype) / rotary)
        angle = torch.from_numpy(pos).to(x.dtype)[:, None, None] * freq
        c, s = angle.cos(), angle.sin()
        turned, rest = x[..., :rotary], x[..., rotary:]
        if layout == "norm":
            a, b = turned[..., 0::2], turned[..., 1::2]
            turned = torch.stack([a * c - b * s, a * s + b * c], -1).flatten(-2)
        else:
            a, b = turned.chunk(2, -1)
            turned = torch.cat([a * c - b * s, a * s + b * c], -1)
        return torch.cat([turned, rest], -1)

    cases = []
    for layout in ("norm", "neox"):
        for pos, h, dh, rotary, base in [([0], 1, 2, 2, 1e4), ([5, 0, 17], 3, 8, 8, 1e4), ([0, 1, 4095, 8191, 2], 2, 64, 64, 1e5),
                                         ([7, 100, 65], 1, 17, 6, 1e5), (list(range(17)), 2, 6, 4, 1e4)]:
            pos = np.array(pos, dtype=np.int32)
            x = r.normal(len(pos), h, dh)
            cases.append(case(f"{layout}_t{len(pos)}_h{h}_dh{dh}_rotary{rotary}_base{base:g}",
                              lambda _, v, p=pos, l=layout, b=base, m=rotary: {"y": rotate(v["x"], p, l, b, m)},
                              {"x": x}, r.normal(*x.shape), ["x"], extra={"positions": put_i32(pos)},
                              attrs={"layout": layout, "base": base, "rotary": rotary, "heads": h, "head_dim": dh}))
    return cases


def attention():
    """Grouped causal attention. q [Tq,H,Dh] are the last Tq of the Tk rows; k, v [Tk,G,Dh]; head h reads group h*G/H.

    column_sums [H,Tk]: each key's probability summed over the queries; last_rows [H,n,Tk]: the probabilities of the last n.
    """
    r = Random("attention")
    cases = []
    for tq, tk, h, g, dh in [(1, 1, 1, 1, 1), (1, 17, 3, 1, 8), (3, 3, 4, 2, 5), (17, 17, 6, 2, 4), (70, 70, 2, 1, 3), (3, 70, 2, 2, 4),
                             (5, 130, 3, 1, 2), (3, 5, 3, 1, 64)]:
        n = min(tq, 3)
        floats = {"q": r.normal(tq, h, dh, scale=1.5), "k": r.normal(tk, g, dh, scale=1.5), "v": r.normal(tk, g, dh)}
        mask = torch.arange(tk)[None, :] <= torch.arange(tq)[:, None] + (tk - tq)

        def forward(_, t, mask=mask, n=n, h=h, g=g, dh=dh):
            q = t["q"].transpose(0, 1)
            k = t["k"].transpose(0, 1).repeat_interleave(h // g, 0)
            v = t["v"].transpose(0, 1).repeat_interleave(h // g, 0)
            p = (q @ k.transpose(1, 2) / math.sqrt(dh)).masked_fill(~mask, -math.inf).softmax(-1)
            y = (p @ v).transpose(0, 1)
            fused = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask)[0].transpose(0, 1)
            torch.testing.assert_close(y, fused)  # the same as PyTorch's own attention
            return {"y": y, "column_sums": p.sum(1), "last_rows": p[:, -n:]}

        cases.append(case(f"tq{tq}_tk{tk}_h{h}_g{g}_dh{dh}", forward, floats, r.normal(tq, h, dh), ["q", "k", "v"],
                          attrs={"heads": h, "kv_heads": g, "head_dim": dh, "offset": tk - tq, "last_rows": n}))
    return cases


def softmax():
    r = Random("softmax")
    cases = []
    for t, n, scale in [(1, 1, 1), (3, 17, 1), (17, 3, 30), (2, 65, 200), (65, 5, 1)]:
        cases.append(case(f"t{t}_n{n}_scale{scale}", lambda _, v: {"y": v["x"].softmax(-1)},
                          {"x": r.normal(t, n, scale=scale)}, r.normal(t, n), ["x"]))
    return cases


def pointwise(name, names, f):
    r = Random(name)
    cases = []
    for t, n, scale in [(1, 1, 1), (3, 17, 3), (17, 3, 1), (2, 65, 40)]:
        cases.append(case(f"t{t}_n{n}_scale{scale}", lambda _, v: {"y": f(*(v[k] for k in names))},
                          {k: r.normal(t, n, scale=scale) for k in names}, r.normal(t, n), names))
    return cases


def cross_entropy():
    """Mean over the rows whose target is not -100; y is one number, dy its upstream gradient."""
    r = Random("cross_entropy")
    cases = []
    for t, v, scale, ignored, dy in [(1, 1, 1, [], 1), (3, 17, 3, [1], 1), (17, 65, 10, [0, 5, 16], 0.25), (65, 3, 1, [], -2),
                                     (3, 130, 60, [0, 2], 1)]:
        target = r.ids(t, v)
        target[ignored] = -100
        cases.append(case(f"t{t}_v{v}_scale{scale}_ignored{len(ignored)}",
                          lambda _, x, y=target: {"y": F.cross_entropy(x["logits"], torch.from_numpy(y).long(), ignore_index=-100)},
                          {"logits": r.normal(t, v, scale=scale)}, np.array(dy, dtype=np.float32), ["logits"],
                          extra={"targets": put_i32(target)}, attrs={"ignore": -100}))
    for t, v, smoothing in [(1, 2, 0.1), (5, 9, 0.2), (4, 7, 0.0)]:
        target, weight = r.ids(t, v), np.abs(r.normal(t)).astype(np.float32)
        if t > 1:
            target[1] = -100

        def forward(dtype, x, y=target, weight=weight, smoothing=smoothing):
            rows = F.cross_entropy(x["logits"], torch.from_numpy(y).long(), ignore_index=-100, label_smoothing=smoothing, reduction="none")
            w = torch.from_numpy(weight * (y != -100)).to(dtype)
            return {"y": (rows * w).sum() / w.sum()}

        cases.append(case(f"t{t}_v{v}_smoothing{smoothing:g}_weighted", forward, {"logits": r.normal(t, v, scale=3)}, np.array(0.5, dtype=np.float32), ["logits"],
                          extra={"targets": put_i32(target), "weights": put_f32(weight)}, attrs={"ignore": -100, "smoothing": smoothing}))
    return cases


def images(x, n, h, w):
    """[N*H*W,C], as mica packs images -> PyTorch's [N,C,H,W]."""
    return x.reshape(n, h, w, -1).permute(0, 3, 1, 2)


def pixels(y):
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])


def window(h, w, kernel, stride=(1, 1), dilation=(1, 1), padding=(0, 0, 0, 0)):
    """Padding is top, left, bottom, right."""
    return [h, w, *kernel, *stride, *dilation, *padding]


def conv():
    """w is [Out,KH*KW*In/groups] in the order (kh, kw, channel); of a transposed one [In,KH*KW*Out/groups]."""
    r = Random("conv")
    cases = []
    same = (1, 1, 1, 1)
    for name, n, c, o, groups, win, output_padding in [
        ("3x3", 2, 5, 7, 1, window(6, 5, (3, 3), padding=same), None),
        ("3x3_wide", 1, 18, 19, 1, window(4, 18, (3, 3), padding=same), None),
        ("1x1", 2, 9, 17, 1, window(3, 4, (1, 1)), None),
        ("1x1_strided", 1, 3, 4, 1, window(5, 4, (1, 1), (2, 2)), None),
        ("strided", 2, 3, 8, 1, window(9, 8, (3, 3), (2, 2), padding=same), None),
        ("patch", 2, 3, 10, 1, window(8, 8, (4, 4), (4, 4)), None),
        ("dilated", 1, 4, 6, 1, window(9, 11, (3, 3), dilation=(2, 3), padding=(2, 3, 2, 3)), None),
        ("strided_dilated", 1, 4, 3, 1, window(11, 10, (3, 2), (3, 2), (2, 3), (1, 2, 1, 2)), None),
        ("grouped", 2, 6, 8, 2, window(5, 6, (3, 3), (1, 2), padding=same), None),
        ("depthwise", 2, 19, 19, 19, window(6, 7, (3, 3), padding=same), None),
        ("depthwise_strided", 1, 5, 5, 5, window(9, 8, (5, 4), (2, 3), padding=(2, 2, 2, 2)), None),
        ("depthwise_doubled", 1, 5, 10, 5, window(5, 5, (3, 3), padding=same), None),
        ("one_channel", 2, 1, 6, 1, window(7, 7, (5, 5), padding=(2, 2, 2, 2)), None),
        ("uneven", 1, 3, 4, 1, window(4, 5, (2, 3), padding=(0, 2, 1, 0)), None),
        ("conv1d", 3, 4, 5, 1, window(1, 12, (1, 3), padding=(0, 1, 0, 1)), None),
        ("conv1d_causal", 2, 4, 5, 1, window(1, 9, (1, 4), dilation=(1, 2), padding=(0, 6, 0, 0)), None),
        ("conv1d_depthwise_causal", 2, 17, 17, 17, window(1, 9, (1, 4), padding=(0, 3, 0, 0)), None),
        ("transposed", 2, 5, 3, 1, window(4, 5, (3, 3), (2, 2), padding=same), (0, 0)),
        ("transposed_output_padding", 1, 6, 4, 2, window(4, 3, (3, 4), (2, 3), (2, 1), (1, 2, 1, 2)), (1, 2)),
        ("transposed_depthwise", 1, 5, 5, 5, window(4, 6, (4, 4), (2, 2), padding=same), (0, 0)),
        ("transposed_gaps", 1, 3, 2, 1, window(3, 3, (1, 2), (3, 3)), (0, 0)),
    ]:
        h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right = win
        rows, inner = (c, o // groups) if output_padding else (o, c // groups)

        def forward(_, v, win=win, n=n, groups=groups, output_padding=output_padding, rows=rows):
            h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right = win
            x, k = images(v["x"], n, h, w), v["w"].reshape(rows, kh, kw, -1).permute(0, 3, 1, 2)
            if output_padding:
                y = F.conv_transpose2d(x, k, None, (sh, sw), (top, left), output_padding, groups, (dh, dw))
            else:
                y = F.conv2d(F.pad(x, (left, right, top, bottom)), k, None, (sh, sw), 0, (dh, dw), groups)
            return {"y": pixels(y)}

        floats = {"x": r.normal(n * h * w, c), "w": r.normal(rows, kh * kw * inner, scale=1 / math.sqrt(kh * kw * inner))}
        shape = forward(None, {k: torch.from_numpy(v) for k, v in floats.items()})["y"].shape
        if output_padding:
            win = win[:10] + [bottom - output_padding[0], right - output_padding[1]]
        cases.append(case(name, forward, floats, r.normal(*shape), list(floats),
                          attrs={"window": win, "groups": groups, "transposed": bool(output_padding)}))
    return cases


def pool(name, f):
    """f(images, kernel, stride, padding, count padding)."""
    r = Random(name)
    cases = []
    for case_name, n, c, win, count in [
        ("2x2", 2, 5, window(6, 4, (2, 2), (2, 2)), True),
        ("3x3_strided", 1, 19, window(9, 8, (3, 3), (2, 2), padding=(1, 1, 1, 1)), True),
        ("overlapping", 2, 3, window(5, 7, (3, 2), (1, 1), padding=(1, 0, 1, 0)), False),
        ("padding_left_out", 1, 4, window(7, 7, (4, 4), (3, 3), padding=(2, 2, 2, 2)), False),
        ("sequence", 3, 17, window(1, 9, (1, 3), (1, 2), padding=(0, 1, 0, 1)), True),
        ("global", 2, 6, window(4, 5, (4, 5), (4, 5)), True),
    ]:
        h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right = win

        def forward(_, v, n=n, win=win, count=count):
            return {"y": pixels(f(images(v["x"], n, win[0], win[1]), win[2:4], win[4:6], win[8:10], count))}

        x = r.normal(n * h * w, c)
        shape = forward(None, {"x": torch.from_numpy(x)})["y"].shape
        cases.append(case(case_name, forward, {"x": x}, r.normal(*shape), ["x"], attrs={"window": win, "count_padding": count}))
    return cases


def small(name, names, f, positive=()):
    """Element-wise ops in few numbers; those of names in positive are from 0.1 on."""
    r = Random(name)
    cases = []
    for t, n, scale in [(1, 1, 1), (3, 17, 3)]:
        floats = {k: r.normal(t, n, scale=scale) for k in names}
        for k in positive:
            floats[k] = (np.abs(floats[k]) + 0.1).astype(np.float32)
        cases.append(case(f"t{t}_n{n}_scale{scale}", lambda _, v: {"y": f(*(v[k] for k in names))}, floats, r.normal(t, n), names))
    return cases


def broadcast():
    r = Random("broadcast")
    cases = []
    for name, f in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div)]:
        for a, b in [((5, 17), (1, 17)), ((5, 1), (5, 17)), ((3, 2), (1, 1)), ((4, 1), (1, 3))]:
            floats = {"a": r.normal(*a), "b": (np.abs(r.normal(*b)) + 0.3).astype(np.float32)}
            shape = np.broadcast_shapes(a, b)
            cases.append(case(f"{name}_{a[0]}x{a[1]}_{b[0]}x{b[1]}", lambda _, v, f=f: {"y": f(v["a"], v["b"])}, floats, r.normal(*shape), ["a", "b"]))
    return cases


# Axes as in mica: all numbers, each row, each column.
AXES = {"all": 0, "row": 1, "column": 2}


def along(axis, f):
    """f(x, dim) over all numbers, in each row, or in each column, as a matrix."""
    if axis == "all":
        return lambda x: f(x.reshape(1, -1), 1)[:, None]
    return lambda x: f(x, 1)[:, None] if axis == "row" else f(x, 0)[None, :]


def reduction(name, f):
    r = Random(name)
    cases = []
    for axis, n in AXES.items():
        for t, d in [(1, 1), (5, 19)]:
            x = r.normal(t, d, scale=3)
            g = along(axis, f)
            cases.append(case(f"{axis}_t{t}_d{d}", lambda _, v, g=g: {"y": g(v["x"])}, {"x": x},
                              r.normal(*g(torch.from_numpy(x)).shape), ["x"], attrs={"n": n}))
    return cases


def cumsum():
    r = Random("cumsum")
    return [case(f"{axis}_t{t}_d{d}", lambda _, v, dim=dim: {"y": v["x"].cumsum(dim)}, {"x": r.normal(t, d)}, r.normal(t, d), ["x"],
                 attrs={"n": AXES[axis]}) for axis, dim in [("row", 1), ("column", 0)] for t, d in [(1, 1), (5, 19)]]


def norm():
    """The length of each row, one of them of zeros; and rows brought to length 1, one of them shorter than eps."""
    r = Random("norm")
    x = r.normal(4, 19)
    x[1] = 0
    z = r.normal(3, 17)
    z[2] *= 1e-3
    return [case("rows", lambda _, v: {"y": v["x"].norm(dim=1, keepdim=True)}, {"x": x}, r.normal(4, 1), ["x"]),
            case("normalize", lambda _, v: {"y": F.normalize(v["x"], eps=0.1)}, {"x": z}, r.normal(3, 17), ["x"], attrs={"eps": 0.1})]


def log_softmax():
    r = Random("log_softmax")
    return [case(f"t{t}_n{n}_scale{scale}", lambda _, v: {"y": v["x"].log_softmax(-1)}, {"x": r.normal(t, n, scale=scale)}, r.normal(t, n), ["x"])
            for t, n, scale in [(1, 1, 1), (5, 17, 1), (2, 33, 200)]]


def kl():
    """The divergence of q from p, both as logarithms, as a mean over the rows: kl_div(q, p) in PyTorch's order."""
    r = Random("kl")
    cases = []
    for t, v, scale in [(1, 1, 1), (3, 17, 1), (5, 7, 10)]:
        floats = {k: torch.from_numpy(r.normal(t, v, scale=scale)).log_softmax(-1).numpy() for k in ("p", "q")}
        cases.append(case(f"t{t}_v{v}_scale{scale}", lambda _, x: {"y": F.kl_div(x["q"], x["p"], reduction="batchmean", log_target=True)},
                          floats, np.array(0.7, dtype=np.float32), ["p", "q"]))
    return cases


def matmul():
    """n products, one below the other: x y, or x y^T."""
    r = Random("matmul")
    cases = []
    for n, t, k, d in [(1, 1, 1, 1), (2, 5, 9, 3), (3, 2, 4, 17)]:
        for transposed in (False, True):
            floats = {"x": r.normal(n * t, k), "y": r.normal(n * d, k) if transposed else r.normal(n * k, d)}

            def forward(_, v, n=n, transposed=transposed):
                x, y = (v[i].reshape(n, -1, v[i].shape[1]) for i in "xy")
                return {"y": (x @ (y.mT if transposed else y)).flatten(0, 1)}

            cases.append(case(f"n{n}_t{t}_k{k}_d{d}" + ("_transposed" if transposed else ""), forward, floats, r.normal(n * t, d), ["x", "y"],
                              attrs={"n": n, "transposed": transposed}))
    return cases


def composed():
    """What mica composes of its ops."""
    r = Random("composed")
    one = np.array(0.6, dtype=np.float32)
    cases = []
    for axis, n in AXES.items():
        g = along(axis, torch.logsumexp)
        x = r.normal(3, 9, scale=30)
        cases.append(case(f"logsumexp_{axis}", lambda _, v, g=g: {"y": g(v["x"])}, {"x": x}, r.normal(*g(torch.from_numpy(x)).shape), ["x"], attrs={"n": n}))
    cases.append(case("mean", lambda _, v: {"y": v["x"].mean(0, keepdim=True)}, {"x": r.normal(7, 5)}, r.normal(1, 5), ["x"]))
    cases.append(case("cosine", lambda _, v: {"y": F.cosine_similarity(v["x"], v["y"], eps=1e-8)[:, None]},
                      {"x": r.normal(4, 9), "y": r.normal(4, 9)}, r.normal(4, 1), ["x", "y"], attrs={"eps": 1e-8}))
    q = torch.from_numpy(r.normal(4, 9)).softmax(-1).numpy()
    cases.append(case("soft_cross_entropy", lambda _, v: {"y": F.cross_entropy(v["x"], v["y"])}, {"x": r.normal(4, 9, scale=5), "y": q}, one, ["x", "y"]))
    for name, f, scale, attrs in [("mse", F.mse_loss, 1, {}), ("l1", F.l1_loss, 1, {}), ("huber", lambda x, y: F.huber_loss(x, y, delta=0.7), 1, {"f": 0.7}),
                                  ("binary_cross_entropy", F.binary_cross_entropy_with_logits, 20, {})]:
        floats = {"x": r.normal(4, 9, scale=scale), "y": r.normal(4, 9)}
        if name == "binary_cross_entropy":  # y is a probability
            floats["y"] = torch.from_numpy(floats["y"]).sigmoid().numpy()
            floats["y"][0], floats["y"][1] = 0, 1
        cases.append(case(name, lambda _, v, f=f: {"y": f(v["x"], v["y"])}, floats, one, ["x", "y"], attrs=attrs))

    def instance(_, v):
        return {"y": F.instance_norm(v["x"].reshape(2, 6, 3).transpose(1, 2), weight=v["weight"], bias=v["bias"]).transpose(1, 2).reshape(12, 3)}

    cases.append(case("instance_norm", instance, {"x": r.normal(12, 3), "weight": r.normal(3), "bias": r.normal(3)}, r.normal(12, 3), ["x", "weight", "bias"],
                      attrs={"eps": 1e-5, "samples": 2, "groups": 3}))
    n, t, s, h, g, dh = 2, 3, 5, 4, 2, 4

    def attend(_, v):
        q, k, w = (v[i].reshape(n, -1, heads, dh).transpose(1, 2) for i, heads in (("q", h), ("k", g), ("v", g)))
        k, w = k.repeat_interleave(h // g, 1), w.repeat_interleave(h // g, 1)
        y = F.scaled_dot_product_attention(q, k, w, attn_mask=v["bias"].reshape(1, h, t, s))
        return {"y": y.transpose(1, 2).reshape(n * t, h * dh)}

    cases.append(case("biased_attention", attend, {"q": r.normal(n * t, h * dh), "k": r.normal(n * s, g * dh), "v": r.normal(n * s, g * dh),
                                                   "bias": r.normal(h * t, s)}, r.normal(n * t, h * dh), ["q", "k", "v", "bias"],
                      attrs={"n": n, "heads": h, "kv_heads": g, "head_dim": dh}))
    return cases


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "op/testdata")
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "linear": linear, "linear_stored": linear_stored, "embedding": embedding, "rmsnorm": rmsnorm, "rope": rope,
        "layernorm": layernorm, "batchnorm": batchnorm, "groupnorm": groupnorm,
        "attention": attention, "softmax": softmax, "cross_entropy": cross_entropy,
        "conv": conv,
        "max_pool": lambda: pool("max_pool", lambda x, k, s, p, _: F.max_pool2d(x, k, s, p)),
        "avg_pool": lambda: pool("avg_pool", lambda x, k, s, p, count: F.avg_pool2d(x, k, s, p, count_include_pad=count)),
        "relu": lambda: pointwise("relu", ["x"], F.relu),
        "sigmoid": lambda: pointwise("sigmoid", ["x"], torch.sigmoid),
        "tanh": lambda: pointwise("tanh", ["x"], torch.tanh),
        "gelu": lambda: pointwise("gelu", ["x"], F.gelu),
        "gelu_tanh": lambda: pointwise("gelu_tanh", ["x"], lambda x: F.gelu(x, approximate="tanh")),
        "silu": lambda: pointwise("silu", ["x"], F.silu),
        "swiglu": lambda: pointwise("swiglu", ["gate", "up"], lambda gate, up: F.silu(gate) * up),
        "mul": lambda: pointwise("mul", ["a", "b"], torch.mul),
        "add": lambda: pointwise("add", ["a", "b"], torch.add),
        "sub": lambda: small("sub", ["a", "b"], torch.sub),
        "div": lambda: small("div", ["a", "b"], torch.div, positive=["b"]),
        "broadcast": broadcast,
        "exp": lambda: small("exp", ["x"], torch.exp),
        "log": lambda: small("log", ["x"], torch.log, positive=["x"]),
        "sqrt": lambda: small("sqrt", ["x"], torch.sqrt, positive=["x"]),
        "squared": lambda: small("squared", ["x"], torch.square),
        "abs": lambda: small("abs", ["x"], torch.abs),
        "softplus": lambda: small("softplus", ["x"], F.softplus),
        "clamp": lambda: small("clamp", ["x"], lambda x: x.clamp(-0.5, 1.5)),
        "sum": lambda: reduction("sum", lambda x, dim: x.sum(dim)),
        "max": lambda: reduction("max", lambda x, dim: x.max(dim).values),
        "cumsum": cumsum, "norm": norm, "log_softmax": log_softmax, "kl": kl, "matmul": matmul, "composed": composed,
    }
    total = 0
    for name, make in files.items():
        cases = make()
        head = json.dumps({"op": name, "made_by": "tools/oracle/ops.py", "versions": versions("torch", "gguf", "numpy")})
        body = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)  # one case a line: a change shows in a diff
        text = f'{head[:-1]}, "cases": [\n{body}\n]}}\n'
        json.loads(text)
        (folder / f"{name}.json").write_text(text)
        total += len(text)
        print(f"{name:14s} {len(cases):3d} cases {len(text):7d} bytes")
    print(f"total {total} bytes")


if __name__ == "__main__":
    main()
