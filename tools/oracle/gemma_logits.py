"""Make model/lm/testdata/gemma3_logits.json.gz: what Gemma 3's logits are, and how well PyTorch computes them.

Usage: python tools/oracle/gemma_logits.py MODEL.gguf [OUT]

MODEL.gguf is gemma-3-270m-q4_k_m.gguf. The fixture is laid out as that of llama_logits.py, so llama_cpp_top.mjs reads both; its
prompts are the same but for the one of 4,200 tokens: 1,000 are past the window of 512. The reference is Hugging Face's
Gemma3ForCausalLM in float64 over the file's own dequantised weights, as transformers reads the file, with its float32 islands
(norms, rotary angles, softmax) lifted. Beside it stands the largest error over the whole vocabulary that it makes in float32.
llama_cpp_top.mjs holds the tokens to llama.cpp's, and with --float32 the reference.
"""

import gzip
import hashlib
import json
import pathlib
import sys

import numpy as np
import torch

import families
from encode import put_f64, put_i32, versions
from llama_logits import HERE, LAST, positions
from verify import load

TOP, FIXED = 16, 64  # best logits kept a position, and vocabulary ids kept whatever their logits
MOST = 1000  # tokens of a prompt


def load_prompts(encode):
    for p in json.loads((HERE / "prompts.json").read_text()):
        text = pathlib.Path(p["file"]).read_text() if "file" in p else p["text"] * p.get("repeat", 1)
        if p.get("tokens", 0) > MOST:
            continue
        ids = encode(text)[: p.get("tokens")]
        assert len(ids) == p.get("tokens", len(ids)), p["name"]
        yield p["name"], text, ids


def final(model, ids):
    """The normed rows [T,D] before the head: a long prompt's logits would take 9 GB."""
    return model.model(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0]


@torch.inference_mode()
def main():
    path = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "model/lm/testdata/gemma3_logits.json.gz")
    model, encode = load(path)
    assert model.config.model_type == "gemma3_text" and model.config.final_logit_softcapping is None
    prompts = [(name, text, ids, final(model, ids)) for name, text, ids in load_prompts(encode)]
    head32 = model.lm_head.weight.clone()
    fixed = np.sort(np.random.Generator(np.random.PCG64(0)).choice(head32.shape[0], FIXED, replace=False)).astype(np.int32)
    done = []
    with families.lifted():
        model = families.lift(model)
        head = model.lm_head.weight
        for name, text, ids, rounded in prompts:
            rows = positions(len(ids))
            exact = final(model, ids)
            assert exact.dtype == torch.float64
            logits = exact[rows] @ head.T
            error = ((rounded[rows] @ head32.T).to(torch.float64) - logits).abs().amax(1)
            top = logits.topk(TOP, dim=1)
            last = range(max(0, len(ids) - LAST), len(ids))
            two = (exact[last.start:] @ head.T).topk(2, dim=1)
            done.append({
                "name": name,
                "text": text if len(ids) <= 256 else None,
                "tokens": put_i32(np.array(ids)),
                "positions": rows,
                "top_ids": put_i32(top.indices.numpy()),
                "top_logits": put_f64(top.values.numpy()),
                "fixed_logits": put_f64(logits[:, fixed].numpy()),
                "torch_f32_max_error": error.tolist(),
                "best": [[at, i1, i2, l1, l1 - l2] for at, (i1, i2), (l1, l2) in zip(last, two.indices.tolist(), two.values.tolist())],
            })
            print(f"{name:16s} {len(ids):5d} tokens  float32 error {error.max():.2e}  largest logit {logits.abs().max():.1f}", flush=True)
    doc = {
        "made_by": "tools/oracle/gemma_logits.py",
        "versions": versions("torch", "transformers", "gguf", "tokenizers", "numpy"),
        "model": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "fixed_ids": put_i32(fixed),
        "best_fields": ["position", "id_1", "id_2", "logit_1", "logit_gap"],
        "prompts": done,
    }
    data = gzip.compress(json.dumps(doc, ensure_ascii=False).encode(), 9, mtime=0)
    out.write_bytes(data)
    print(f"{out}: {len(data)} bytes")


if __name__ == "__main__":
    main()
