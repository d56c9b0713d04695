"""Make a reference for `mica verify`: what Hugging Face transformers computes for a prompt at every site of a model.

Usage: python tools/oracle/verify.py MODEL OUT.json.gz [--prompt TEXT | --tokens 1,2,3] [--numbers N]

MODEL is a GGUF file (llama, qwen2, qwen3, gpt2, gemma3) or a folder with config.json and safetensors files (these and gpt_neox). Then

    mica verify MODEL --reference OUT.json.gz

The values are float64 over the file's own weights, kept as float32 at the prompt's middle and last token. torch_f32_max_error is the
largest error of PyTorch in float32 at a site, over all of the site's numbers. To keep the file small only every k-th number of a site
is written, k the least prime with at most N numbers in all: prime, so that it meets every place within a head.

Of a GGUF file transformers doesn't read every setting: Qwen3's heads must be of 128 numbers, GPT-2's context of 1,024 tokens, and in
Gemma 3 each sixth layer must see everything, as in the models that were published. Of any other take the folder.
"""

import argparse
import base64
import functools
import gzip
import hashlib
import json
import pathlib

import torch
import transformers

import families

PROMPT = "Mica is a mineral that comes apart in thin, clear layers. Each layer of the number 1024 is"


def load(path):
    """A model in float32 and its tokenizer, if it has one that transformers reads."""
    where = dict(pretrained_model_name_or_path=path)
    if path.is_file():
        where = dict(pretrained_model_name_or_path=path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = functools.cache(lambda: transformers.AutoTokenizer.from_pretrained(**where))  # slow, from a GGUF file
    return model, lambda text: tokenizer()(text).input_ids


def next_prime(n):
    while n > 1 and any(n % d == 0 for d in range(2, int(n**0.5) + 1)):
        n += 1
    return max(n, 1)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("model", type=pathlib.Path)
    a.add_argument("out", type=pathlib.Path)
    a.add_argument("--prompt", default=PROMPT)
    a.add_argument("--tokens", type=lambda s: [int(x) for x in s.split(",")])
    a.add_argument("--numbers", type=int, default=50_000)
    args = a.parse_args()

    model, encode = load(args.model)
    tokens = args.tokens or encode(args.prompt)
    config = model.config
    name = {"gemma3_text": "gemma3", "gpt_neox": "gptneox"}.get(config.model_type, config.model_type)
    paired = name == "llama" and args.model.is_file()  # as llama.cpp's converter lays queries and keys out
    with torch.no_grad():
        rounded = families.activations(name, model, tokens)
        with families.lifted():
            exact = families.activations(name, families.lift(model), tokens)
    rows = sorted({len(tokens) // 2, len(tokens) - 1})
    kept, errors = {}, {}
    for key, x in exact.items():
        assert x.dtype == torch.float64 and torch.isfinite(x).all(), key
        errors[key] = (x - rounded[key]).abs().max().item()
        kept[key] = x if "pattern" in key[1] else x[rows]
        if paired and key[1] in ("attn.q", "attn.rot_q", "attn.k", "attn.rot_k"):
            heads = config.num_attention_heads if key[1].endswith("q") else config.num_key_value_heads
            kept[key] = families.pairs(kept[key].T, heads).T
    every = next_prime(-(-sum(x.numel() for x in kept.values()) // args.numbers))
    sites = []
    for key in sorted(exact, key=lambda k: (k[0], families.ORDER.index(k[1]))):
        x = kept[key].flatten()[::every].contiguous().numpy().astype("<f4")
        sites.append(dict(layer=key[0], site=key[1], values=base64.b64encode(x.tobytes()).decode(), torch_f32_max_error=errors[key]))
    doc = dict(
        made=f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, float64",
        model=args.model.name, tokens=tokens, rows=rows, every=every, sites=sites)
    if args.model.is_file():
        with open(args.model, "rb") as f:
            doc["digest"] = hashlib.file_digest(f, "sha256").hexdigest()
    args.out.write_bytes(gzip.compress(json.dumps(doc).encode(), 9, mtime=0))
    print(f"{args.out}: {len(tokens)} tokens, {len(sites)} sites, every {every}. number, {args.out.stat().st_size} bytes;"
          f" float32 error of the logits {errors[len(sites) and max(k[0] for k in exact), 'logits']:.2e}")


if __name__ == "__main__":
    main()
