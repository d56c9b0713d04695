"""Make op/testdata/*.json of recurrences, resizing and volumes: what PyTorch says they and their gradients are.

Usage: python tools/oracle/ops_sequence.py [FOLDER]      (default: op/testdata)

As ops.py, whose format it writes. Sequences are packed one after another: `runs` holds their lengths, and `state` what each
begins with.
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

from encode import put_f32, put_i32, versions
from ops import Random, case, images, pixels


def ints(*x):
    return put_i32(np.array(x, dtype=np.int32))


def runs_of(x, runs):
    return torch.split(x, runs)


def selective_scan():
    """Mamba's recurrence, as transformers' slow path writes it; bc [T,2N]."""
    r = Random("selective_scan")
    cases = []
    for name, runs, e, n, skip in [("ragged", [5, 0, 3], 18, 3, True), ("long", [70], 1, 2, False), ("one", [1], 1, 1, True)]:
        t = sum(runs)
        state = r.normal(len(runs), e * n)
        floats = {"u": r.normal(t, e), "delta": np.abs(r.normal(t, e, scale=0.5)), "bc": r.normal(t, 2 * n),
                  "alog": r.normal(e, n, scale=0.5)}
        if skip:
            floats["d"] = r.normal(e)

        def forward(dtype, v, runs=runs, e=e, n=n, state=state):
            a, out = -torch.exp(v["alog"]), []
            for i, (u, delta, bc) in enumerate(zip(runs_of(v["u"], runs), runs_of(v["delta"], runs), runs_of(v["bc"], runs))):
                h = torch.from_numpy(state[i]).to(dtype).reshape(e, n)
                for t in range(len(u)):
                    h = torch.exp(delta[t, :, None] * a) * h + delta[t, :, None] * bc[t, None, :n] * u[t, :, None]
                    out.append(h @ bc[t, n:] + (v["d"] * u[t] if "d" in v else 0))
            return {"y": torch.stack(out)}

        cases.append(case(name, forward, floats, r.normal(t, e), list(floats), extra={"runs": ints(*runs), "state": put_f32(state)}))
    return cases


def linear_attention():
    """The masked quadratic form: row i sees row j with decay^(i-j). A state stands for rows before the first."""
    r = Random("linear_attention")
    cases = []
    for name, runs, h, g, dk, dv, decay, causal, begun in [
        ("causal", [6, 1, 4], 2, 2, 3, 2, None, True, False), ("decay", [5, 3], 4, 2, 2, 3, [0.9, 0.5], True, True), ("whole", [4, 2], 2, 1, 3, 4, None, False, False),
    ]:
        t = sum(runs)
        state = r.normal(len(runs), g * dk * dv) if begun else np.zeros((len(runs), g * dk * dv), dtype=np.float32)
        floats = {"q": r.normal(t, h * dk), "k": r.normal(t, g * dk), "v": r.normal(t, g * dv)}
        decay32 = np.array(decay or [1] * g, dtype=np.float32)

        def forward(dtype, x, runs=runs, h=h, g=g, dk=dk, dv=dv, decay=decay32, causal=causal, state=state):
            out = []
            for i, (q, k, v) in enumerate(zip(runs_of(x["q"], runs), runs_of(x["k"], runs), runs_of(x["v"], runs))):
                n = len(q)
                s = torch.from_numpy(state[i]).to(dtype).reshape(g, dk, dv).repeat_interleave(h // g, 0)
                lam = torch.from_numpy(decay).to(dtype).repeat_interleave(h // g)[:, None, None]
                q = q.reshape(n, h, dk).transpose(0, 1)
                k = k.reshape(n, g, dk).transpose(0, 1).repeat_interleave(h // g, 0)
                v = v.reshape(n, g, dv).transpose(0, 1).repeat_interleave(h // g, 0)
                ages = (torch.arange(n)[:, None] - torch.arange(n)[None, :]).to(dtype)
                mask = torch.where(ages >= 0, lam ** ages.clamp(min=0), torch.zeros((), dtype=dtype)) if causal else torch.ones(h, n, n, dtype=dtype)
                o = (q @ k.mT * mask) @ v
                if causal:
                    o = o + lam ** (torch.arange(n).to(dtype)[None, :, None] + 1) * (q @ s)
                out.append(o.transpose(0, 1).reshape(n, h * dv))
            return {"y": torch.cat(out)}

        extra = {"runs": ints(*runs), "spec": ints(h, g, dk, dv, causal), "state": put_f32(state)}
        if decay:
            extra["decay"] = put_f32(decay32)
        cases.append(case(name, forward, floats, r.normal(t, h * dv), list(floats), extra=extra))
    return cases


def recurrent(name, module, gates, memory, prefix=""):
    """torch.nn.RNN, GRU or LSTM; its input matrix is the identity, so that x [T, gates*H] is what the input has to say to the gates."""
    r = Random(prefix + name)
    cases = []
    for case_name, runs, h, bias in [("ragged", [3, 1, 0, 5], 3, True), ("no_bias", [4], 5, False), ("two", [2], 2, True)]:
        t = sum(runs)
        state = r.normal(len(runs), memory * h)
        floats = {"x": r.normal(t, gates * h), "w": r.normal(gates * h, h, scale=1 / math.sqrt(h))}
        if bias:
            floats["b"] = r.normal(gates * h)

        def forward(dtype, v, runs=runs, h=h, state=state):
            m = module(gates * h, h).to(dtype)
            zero = torch.zeros(gates * h, dtype=dtype)
            weights = {"weight_ih_l0": torch.eye(gates * h, dtype=dtype), "weight_hh_l0": v["w"], "bias_ih_l0": zero, "bias_hh_l0": v.get("b", zero)}
            out = []
            for x, s in zip(runs_of(v["x"], runs), torch.from_numpy(state).to(dtype)):
                if len(x):
                    parts = tuple(p[None] for p in s.split(h))
                    out.append(torch.func.functional_call(m, weights, (x, parts if memory > 1 else parts[0]))[0])
            return {"y": torch.cat(out)}

        cases.append(case(prefix + case_name, forward, floats, r.normal(t, h), list(floats), extra={"runs": ints(*runs), "state": put_f32(state)}))
    return cases


def causal_conv():
    r = Random("causal_conv")
    cases = []
    for name, runs, d, k in [("ragged", [5, 1, 0, 2], 3, 4), ("one_tap", [3], 17, 1), ("one", [1], 1, 2)]:
        t = sum(runs)
        state = r.normal(len(runs), (k - 1) * d)
        floats = {"x": r.normal(t, d), "w": r.normal(d, k)}

        def forward(dtype, v, runs=runs, d=d, k=k, state=state):
            out = []
            for x, s in zip(runs_of(v["x"], runs), torch.from_numpy(state).to(dtype)):
                if len(x):
                    all = torch.cat([s.reshape(k - 1, d), x]).T[None]
                    out.append(F.conv1d(all, v["w"][:, None], groups=d)[0].T)
            return {"y": torch.cat(out)}

        cases.append(case(name, forward, floats, r.normal(t, d), list(floats), extra={"runs": ints(*runs), "state": put_f32(state)}))
    return cases


def resize():
    """spec: H, W, OutH, OutW, mode (0 nearest, 1 linear, 2 area), align corners."""
    r = Random("resize")
    cases = []
    for name, n, c, h, w, oh, ow, mode, align in [
        ("nearest", 2, 3, 3, 4, 5, 7, 0, False), ("nearest_down", 1, 3, 5, 6, 2, 3, 0, False), ("bilinear", 2, 2, 3, 5, 7, 4, 1, False),
        ("bilinear_aligned", 1, 3, 4, 3, 7, 5, 1, True), ("aligned_to_one", 1, 2, 4, 3, 1, 2, 1, True), ("linear", 2, 3, 1, 5, 1, 9, 1, False),
        ("linear_down", 1, 2, 1, 9, 1, 4, 1, False), ("area", 2, 3, 7, 5, 3, 2, 2, False), ("area_up", 1, 2, 2, 3, 5, 4, 2, False),
    ]:
        def forward(_, v, n=n, h=h, w=w, oh=oh, ow=ow, mode=mode, align=align):
            x = images(v["x"], n, h, w)
            if h == 1 and mode == 1:
                return {"y": pixels(F.interpolate(x[:, :, 0], ow, mode="linear", align_corners=align)[:, :, None])}
            if mode == 2:
                return {"y": pixels(F.adaptive_avg_pool2d(x, (oh, ow)))}
            return {"y": pixels(F.interpolate(x, (oh, ow), mode=["nearest", "bilinear"][mode], **({"align_corners": align} if mode else {})))}

        cases.append(case(name, forward, {"x": r.normal(n * h * w, c)}, r.normal(n * oh * ow, c), ["x"], extra={"spec": ints(h, w, oh, ow, mode, align)}))
    return cases


def conv3d():
    """w is [Out,KH*KW*KD*In] in the order (kh, kw, kd, channel). spec: N, D, H, W, and kernel, stride, dilation, padding of depth, then of both others."""
    r = Random("conv3d")
    cases = []
    for name, n, c, o, d, h, w, depth, flat in [
        ("strided", 2, 1, 3, 5, 4, 3, (3, 2, 1, 1), (3, 2, 1, 1)), ("plain", 1, 2, 2, 3, 3, 2, (2, 1, 1, 0), (1, 1, 1, 0)),
        ("dilated", 1, 2, 2, 5, 3, 3, (2, 1, 2, 1), (3, 1, 1, 1)), ("max_pool", 1, 2, 2, 5, 5, 4, (3, 2, 1, 1), (3, 2, 1, 1)),
    ]:
        (kd, sd, dd, pd), (k, s, dil, p) = depth, flat

        def volumes(x, n=n, d=d, h=h, w=w):
            return x.reshape(n, d, h, w, -1).permute(0, 4, 1, 2, 3)

        def forward(_, v, o=o, kd=kd, k=k, sd=sd, s=s, dd=dd, dil=dil, pd=pd, p=p, volumes=volumes):
            if "w" not in v:
                y = F.max_pool3d(volumes(v["x"]), kd, sd, pd)
            else:
                kernel = v["w"].reshape(o, k, k, kd, -1).permute(0, 4, 3, 1, 2)
                y = F.conv3d(volumes(v["x"]), kernel, None, (sd, s, s), (pd, p, p), (dd, dil, dil))
            return {"y": y.permute(0, 2, 3, 4, 1).reshape(-1, y.shape[1])}

        floats = {"x": r.normal(n * d * h * w, c)}
        if name != "max_pool":
            floats["w"] = r.normal(o, k * k * kd * c, scale=1 / math.sqrt(k * k * kd * c))
        shape = forward(None, {k: torch.from_numpy(x) for k, x in floats.items()})["y"].shape
        cases.append(case(name, forward, floats, r.normal(*shape), list(floats), extra={"spec": ints(n, d, h, w, *depth, *flat)}))
    return cases


def conv1d():
    """spec: length, kernel, stride, dilation, padding, groups, transposed, output padding."""
    r = Random("conv1d")
    cases = []
    for name, n, c, o, spec in [("strided_dilated_grouped", 2, 4, 6, (11, 3, 2, 2, 2, 2, 0, 0)), ("transposed", 1, 4, 2, (5, 4, 3, 1, 1, 2, 1, 2))]:
        t, k, s, dil, p, groups, transposed, more = spec
        rows, inner = (c, o // groups) if transposed else (o, c // groups)

        def forward(_, v, n=n, rows=rows, k=k, s=s, dil=dil, p=p, groups=groups, transposed=transposed, more=more):
            x, w = v["x"].reshape(n, -1, v["x"].shape[1]).mT, v["w"].reshape(rows, k, -1).mT
            y = F.conv_transpose1d(x, w, None, s, p, more, groups, dil) if transposed else F.conv1d(x, w, None, s, p, dil, groups)
            return {"y": y.mT.reshape(-1, y.shape[1])}

        floats = {"x": r.normal(n * t, c), "w": r.normal(rows, k * inner, scale=1 / math.sqrt(k * inner))}
        shape = forward(None, {k: torch.from_numpy(x) for k, x in floats.items()})["y"].shape
        cases.append(case(name, forward, floats, r.normal(*shape), list(floats), extra={"spec": ints(*spec)}))
    return cases


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "op/testdata")
    total = 0
    for name, make in {
        "selective_scan": selective_scan, "linear_attention": linear_attention, "causal_conv": causal_conv, "resize": resize,
        "gru": lambda: recurrent("gru", torch.nn.GRU, 3, 1), "lstm": lambda: recurrent("lstm", torch.nn.LSTM, 4, 2),
        "rnn": lambda: recurrent("rnn", torch.nn.RNN, 1, 1) + recurrent("rnn", lambda i, h: torch.nn.RNN(i, h, nonlinearity="relu"), 1, 1, "relu_"),
        "conv3d": conv3d, "conv1d": conv1d,
    }.items():
        cases = make()
        head = json.dumps({"op": name, "made_by": "tools/oracle/ops_sequence.py", "versions": versions("torch", "numpy")})
        body = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        text = f'{head[:-1]}, "cases": [\n{body}\n]}}\n'
        (folder / f"{name}.json").write_text(text)
        total += len(text)
        print(f"{name:17s} {len(cases):3d} cases {len(text):7d} bytes")
    print(f"total {total} bytes")


if __name__ == "__main__":
    main()
