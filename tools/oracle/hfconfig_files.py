#!/usr/bin/env python3
"""The config.json of several families as transformers writes it.

Usage: hfconfig_files.py

Writes format/hfconfig/testdata/configs.json: per family the text, and what
Python's json reads of it as [dotted key, kind, value]. Made with Python 3.11 and
transformers 5.23.0; the JSON names the version that was used.
"""
import json
import pathlib

import transformers
from transformers import Gemma3TextConfig, GPT2Config, GPTNeoXConfig, LlamaConfig, Qwen2Config, Qwen3Config

OUT = pathlib.Path(__file__).resolve().parents[2] / "format/hfconfig/testdata/configs.json"


def leaves(prefix, v):
    """Numbers as Python writes them: 1e-06 and 0.00001 are the same float."""
    if isinstance(v, dict):
        yield [prefix, "object", sorted(v)]
        for k, x in v.items():
            yield from leaves(f"{prefix}.{k}" if prefix else k, x)
    elif isinstance(v, list) and v and isinstance(v[0], str):
        yield [prefix, "strings", v]
    elif isinstance(v, list) and v and isinstance(v[0], int):
        yield [prefix, "uints", v]
    elif isinstance(v, list):
        yield [prefix, "floats", v]
    else:
        yield [prefix, {str: "string", bool: "bool", int: "int", float: "float", type(None): "null"}[type(v)], v]


configs = {
    "gpt2": GPT2Config(architectures=["GPT2LMHeadModel"]),
    "gpt_neox": GPTNeoXConfig(),
    "qwen2": Qwen2Config(eos_token_id=[151645, 151643]),
    "qwen3": Qwen3Config(),
    "gemma3": Gemma3TextConfig(num_hidden_layers=6),
    "llama3": LlamaConfig(num_key_value_heads=8, max_position_embeddings=131072, rope_parameters={
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192}),
    "labels": LlamaConfig(id2label={0: "näin", 1: "no \"quotes\"\n", 2: "\U0001f600"}, label2id={"näin": 0, "x": 1}),
}
doc = {"made_with": f"transformers {transformers.__version__}", "configs": []}
for name, c in configs.items():
    text = c.to_json_string()
    doc["configs"].append({"name": name, "text": text, "leaves": list(leaves("", json.loads(text)))})
OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_text(json.dumps(doc, indent=0) + "\n")
print(OUT.name, OUT.stat().st_size, "bytes,", sum(len(c["leaves"]) for c in doc["configs"]), "leaves")
