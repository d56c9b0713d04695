"""How the fixtures write arrays: {"shape": [...], "f32" | "f64" | "i32": base64 of the little-endian bytes}."""

import base64
import importlib.metadata

import numpy as np


def b64(a, dtype):
    return base64.b64encode(np.ascontiguousarray(a, dtype=dtype).tobytes()).decode()


def put_f32(a):
    a = np.asarray(a)
    return {"shape": list(a.shape), "f32": b64(a, "<f4")}


def put_f64(a):
    a = np.asarray(a)
    return {"shape": list(a.shape), "f64": b64(a, "<f8")}


def put_i32(a):
    a = np.asarray(a)
    return {"shape": list(a.shape), "i32": b64(a, "<i4")}


def put_raw(shape, kind, raw):
    """A stored weight: its logical shape, its GGUF type name and its bytes as they lie in a file."""
    return {"shape": list(shape), "type": kind, "raw": b64(raw, "u1")}


def versions(*packages):
    return {p: importlib.metadata.version(p).split("+")[0] for p in packages}
