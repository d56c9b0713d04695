#!/usr/bin/env python3
"""Files written, and files judged, by the reference safetensors library.

Usage: safetensors_files.py

Writes format/safetensors/testdata/reference.json:
  files     written by safetensors.serialize or safetensors.torch.save, with what
            safetensors.deserialize reads back; "numbers" are PyTorch's, as float32
  verdicts  broken and unusual files with the library's error, null if it takes them

Made with Python 3.11, safetensors 0.8.0 and torch 2.15.0; the JSON names the
versions that were used.
"""
import base64
import ctypes
import json
import pathlib
import random
import struct

import safetensors
import torch
from safetensors.torch import load as torch_load
from safetensors.torch import save as torch_save

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "format/safetensors/testdata/reference.json"


def b64(b):
    return base64.b64encode(bytes(b)).decode()


def serialize(tensors, metadata=None):
    """tensors: name -> (dtype, shape, bytes)."""
    keep, specs = [], {}
    for name, (dtype, shape, data) in tensors.items():
        buf = ctypes.create_string_buffer(data, max(len(data), 1))
        keep.append(buf)
        specs[name] = safetensors.TensorSpec(
            dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buf), data_len=len(data))
    return safetensors.serialize(specs, metadata)


def pattern(n):
    return bytes((7 * i + 3) % 256 for i in range(n))


def file(name, b, metadata=None, same_bytes=True):
    tensors = []
    for t, info in sorted(safetensors.deserialize(b)):
        tensors.append({"name": t, "dtype": info["dtype"], "shape": info["shape"], "data": b64(info["data"])})
    return {"name": name, "file": b64(b), "metadata": metadata, "tensors": tensors, "same_bytes": same_bytes}


def files():
    yield file("empty", serialize({}))
    # Not without a tensor: the library then writes a header that it can't read.
    yield file("empty metadata", serialize({"w": ("uint8", [1], b"x")}, {}), {})
    m = {"format": "pt"}
    yield file("one key", serialize({"w": ("float32", [2, 3], pattern(24))}, m), m)
    m = {"text": "quote \" backslash \\ slash / newline \n tab \t return \r form \f bell \b nul \0 esc \x1b del \x7f"
                 " line \u2028 <&> ü 你好 \U0001f600"}
    yield file("escapes", serialize({"na\"me\\ \n\u2029 <ü>\U0001f600": ("uint8", [3], pattern(3))}, m), m)
    m = {"b": "2", "a": "1", "c": ""}
    b = b""
    while b'{"b":"2","a":"1","c":""}' not in b:  # the library leaves them in any order
        b = serialize({"w": ("int8", [1], b"\1")}, m)
    yield file("three keys", b, m, same_bytes=False)
    yield file("scalars", serialize({"x": ("float32", [], pattern(4)), "y": ("int64", [], pattern(8)), "z": ("bool", [], b"\1")}))
    yield file("no elements", serialize({
        "a": ("float32", [0], b""), "b": ("float32", [2, 0, 3], b""), "c": ("float16", [2], pattern(4)),
        "d": ("bfloat16", [0, 5], b""), "e": ("float32", [2], pattern(8))}))
    every = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
             "float64", "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
             "float8_e8m0fnu", "complex64"]
    size = {"bool": 1, "bfloat16": 2, "complex64": 8}
    tensors = {}
    for i, d in enumerate(every):
        bits = "".join(c for c in d.split("_")[0] if c.isdigit())
        n = size.get(d) or int(bits) // 8
        tensors[f"t{i:02d}"] = (d, [3, 1], pattern(3 * n))
    tensors["f4"] = ("float4_e2m1fn_x2", [2, 3], pattern(6))  # 12 numbers
    yield file("every type", serialize(tensors))
    yield file("order of names", serialize({n: ("uint8", [1], b"x") for n in ["b", "a.10", "a.2", "A", "a", "ab", "_", "ä", "a.1", "~"]}))

    # The narrow types that the Python writer has no name for.
    h = json.dumps({"x": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]},
                    "y": {"dtype": "F6_E3M2", "shape": [2, 4], "data_offsets": [3, 9]}}).encode()
    yield file("six bits", struct.pack("<Q", len(h)) + h + pattern(9), same_bytes=False)
    # A header in another order than the data, as older writers left it.
    h = b'{ "b" : {"shape":[2],"data_offsets":[4,6],"dtype":"U8"},\n"a":{"data_offsets":[ 0 , 4 ],"dtype":"F32","shape":[]} }   '
    yield file("older", struct.pack("<Q", len(h)) + h + pattern(6), same_bytes=False)

    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.Conv1d(4, 3, 2), torch.nn.BatchNorm1d(3))
    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    state["half"] = torch.randn(3, 5).half()
    state["bf"] = torch.randn(2, 2, 3).bfloat16()
    m = {"format": "pt"}
    b = torch_save(state, m)
    f = file("torch", b, m)
    f["numbers"] = {k: b64(v.float().numpy().tobytes()) for k, v in sorted(torch_load(b).items())
                    if v.dtype in (torch.float32, torch.float16, torch.bfloat16)}
    yield f


def verdict(b):
    try:
        safetensors.deserialize(b)
    except safetensors.SafetensorError as e:
        return str(e)
    return None


def verdicts():
    """Files that differ from a good one in a few bytes."""
    rng = random.Random(20)
    good = serialize({"a": ("float32", [2], pattern(8)), "b": ("int16", [1, 2], pattern(4)), "c": ("uint8", [], b"\7")}, {"k": "v"})
    seen = set()
    while len(seen) < 300:
        b = bytearray(good)
        end = 8 + struct.unpack_from("<Q", b)[0]
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            i = rng.randrange(8, end)
            kind = rng.randrange(6)
            if kind == 0:
                b[i] ^= 1 << rng.randrange(8)
            elif kind == 1:
                b[i] = rng.choice(b'0123456789{}[],:"\\ .-eu\x00\xff')
            elif kind == 2:
                del b[i:i + rng.randrange(1, 4)]
            elif kind == 3:
                b[i:i] = rng.choice([b"0", b"1", b" ", b",", b'"', b"[", b"\\u0061", b"\n", b"null", b"1e0", b"-"])
            elif kind == 4:
                digits = [j for j in range(8, len(b)) if chr(b[j]).isdigit() and b[j] < 128]
                b[rng.choice(digits)] = rng.choice(b"0123456789")
            else:
                j = rng.randrange(8, len(b))
                b[i:i] = b[j:j + rng.randrange(1, 20)]
        # Framed again in most cases, so that the change and not the length is judged.
        if rng.random() < 0.9:
            struct.pack_into("<Q", b, 0, max(0, len(b) - 13 - 8))
        seen.add(bytes(b))
    for b in sorted(seen):
        yield {"file": b64(b), "error": verdict(b)}


doc = {"made_with": f"safetensors {safetensors.__version__}, torch {torch.__version__}",
       "files": list(files()), "verdicts": list(verdicts())}
OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_text(json.dumps(doc, indent=0) + "\n")
taken = sum(v["error"] is None for v in doc["verdicts"])
print(OUT.relative_to(ROOT), OUT.stat().st_size, "bytes,", len(doc["files"]), "files,", taken, "of", len(doc["verdicts"]), "broken ones taken")
