#!/usr/bin/env python3
"""Reference values for tensor/ and format/gguf from NumPy and the gguf package.

Usage: gguf_quants.py [SmolLM2-135M-Instruct.Q4_1.gguf]

Writes tensor/testdata/{half,dequant,quant}.json and, given the model file,
format/gguf/testdata/smollm2.json. Made with Python 3.11, numpy 2.4.6 and
gguf 0.19.0; the JSON names the versions that were used.
"""
import base64
import hashlib
import importlib.metadata
import json
import pathlib
import sys

import numpy as np
import gguf
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize, quantize

ROOT = pathlib.Path(__file__).resolve().parents[2]
MADE_WITH = f"numpy {np.__version__}, gguf {importlib.metadata.version('gguf')}"


def b64(a):
    return base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()


def sha(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


def write(path, doc):
    path = ROOT / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"made_with": MADE_WITH, **doc}, indent=1) + "\n")
    print(path.relative_to(ROOT), path.stat().st_size)


def half():
    """Checksums over inputs that the Go test makes again. NaN results count as 0."""
    bits = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    f16 = bits.view(np.float16).astype(np.float32)
    f16 = np.where(np.isnan(f16), np.float32(0), f16)
    bf16 = dequantize(bits.view(np.uint8), Q.BF16)
    bf16 = np.where(np.isnan(bf16), np.float32(0), bf16)

    # Halfway between neighbouring binary16 numbers, and one float32 to each side.
    pos = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    upper = np.append(pos[1:], 65536.0)
    mid = ((pos + upper) / 2).astype(np.float32)
    ties = np.stack([np.nextafter(mid, np.float32(0)), mid, np.nextafter(mid, np.float32(np.inf))], axis=1).ravel()
    # The same for bfloat16, straight from the bits.
    b = (np.arange(0x7F80, dtype=np.uint32) << 16) + 0x8000
    bties = np.stack([b - 1, b, b + 1], axis=1).ravel().view(np.float32)
    # A million bit patterns spread over all of float32.
    weyl = (np.arange(1 << 20, dtype=np.uint64) * 2654435761 % (1 << 32)).astype(np.uint32).view(np.float32)
    weyl = np.where(np.isnan(weyl), np.float32(0), weyl)

    with np.errstate(over="ignore"):
        write("tensor/testdata/half.json", {
            "f16_to_f32": sha(f16),
            "bf16_to_f32": sha(bf16),
            "ties_to_f16": sha(ties.astype(np.float16)),
            "weyl_to_f16": sha(weyl.astype(np.float16)),
            "ties_to_bf16": sha(quantize(bties, Q.BF16)),
            "weyl_to_bf16": sha(quantize(weyl, Q.BF16)),
        })


def dequant():
    """Random bytes as blocks, so that scales include zero, subnormal, Inf and NaN."""
    rng = np.random.default_rng(1)
    cases = []
    for q in [Q.F32, Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q4_K, Q.Q5_K, Q.Q6_K]:
        elems, size = gguf.GGML_QUANT_SIZES[q]
        rows, cols = 3, 512
        raw = rng.integers(0, 256, (rows, cols // elems * size), dtype=np.uint8)
        with np.errstate(all="ignore"):
            want = dequantize(raw, q).reshape(rows, cols)
        cases.append({"type": q.name, "rows": rows, "cols": cols, "data": b64(raw), "want": b64(want)})
    write("tensor/testdata/dequant.json", {"cases": cases})


def quant():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((10, 96)).astype(np.float32)
    x[1] *= 1e-3
    x[2] *= 1e4
    x[3] = 0
    x[4] = -1.5                                    # no spread: Q4_1 divides by zero
    x[5] = np.round(x[5] * 2) / 2                  # many ties
    x[6, 40] = 1000                                # an outlier
    x[7] = np.abs(x[7])
    x[8] = np.arange(96) % 17 - 8                  # two numbers of the largest magnitude: the first counts
    x[9] *= 1e-6                                   # scales that are subnormal in binary16
    cases = [{"type": q.name, "want": b64(quantize(x, q))}
             for q in [Q.F32, Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1]]
    write("tensor/testdata/quant.json", {"rows": 10, "cols": 96, "data": b64(x), "cases": cases})


def model(path):
    r = gguf.GGUFReader(path)
    everything = hashlib.sha256()
    tensors = []
    for t in r.tensors:
        x = np.ascontiguousarray(dequantize(t.data, t.tensor_type), dtype=np.float32)
        everything.update(x.tobytes())
        dims = "x".join(str(int(d)) for d in t.shape)
        tensors.append(f"{t.name} {t.tensor_type.name} {dims} {int(t.data_offset)} {int(t.n_bytes)}")
    keys = []
    for k, f in r.fields.items():
        if not k.startswith("GGUF."):
            v = f.contents()
            text = json.dumps(v if not isinstance(v, list) else [len(v), v[0], v[-1]], ensure_ascii=False)
            keys.append(f"{k} {text}")
    write("format/gguf/testdata/smollm2.json", {
        "file_sha256": hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(),
        "keys": keys, "tensors": tensors, "float32_sha256": everything.hexdigest()})


half()
dequant()
quant()
if len(sys.argv) > 1:
    model(sys.argv[1])
