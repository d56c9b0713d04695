"""Make model/lm/testdata/smollm2_logits.json.gz: what SmolLM2's logits are, and how well PyTorch computes them.

Usage: python tools/oracle/llama_logits.py MODEL.gguf [OUT] [--cross-check]

The reference is a plain float64 forward pass over the file's own dequantised weights, with the file's own (interleaved)
rope. Beside it stands the largest error over the whole vocabulary that Hugging Face's LlamaForCausalLM makes in float32
with the same weights: the yardstick for `exact` mode. --cross-check also shows that the reference and LlamaForCausalLM
are the same network: with its float32 islands (norms, rope angles) lifted to float64 they agree to rounding.
"""

import argparse
import gzip
import hashlib
import json
import math
import pathlib

import gguf
import numpy as np
import tokenizers
import torch
import transformers

from encode import put_f32, put_f64, put_i32, versions

HERE = pathlib.Path(__file__).parent
TOP = 64  # best logits kept a position
FIXED = 256  # vocabulary ids kept at every position, whatever their logits
LAST = 64  # last positions of each prompt for which the two best tokens are kept
RESIDUAL_PROMPT = "capital"


class Model:
    """A Llama GGUF file: its settings and its weights, dequantised (float32 is what GGUF's own block formulas give)."""

    def __init__(self, path):
        r = gguf.GGUFReader(path)
        f = {k: v.contents() for k, v in r.fields.items()}
        self.fields = f
        self.layers = f["llama.block_count"]
        self.width = f["llama.embedding_length"]
        self.heads = f["llama.attention.head_count"]
        self.kv_heads = f["llama.attention.head_count_kv"]
        self.mlp = f["llama.feed_forward_length"]
        self.base = f["llama.rope.freq_base"]
        self.eps = f["llama.attention.layer_norm_rms_epsilon"]
        self.context = f["llama.context_length"]
        self.head_dim = self.width // self.heads
        assert f["llama.rope.dimension_count"] == self.head_dim
        self.w = {}
        for t in r.tensors:
            shape = tuple(int(n) for n in reversed(t.shape))
            a = gguf.quants.dequantize(t.data, t.tensor_type).reshape(shape)
            self.w[t.name] = torch.from_numpy(np.array(a, dtype=np.float32))
        self.vocabulary = self.w["token_embd.weight"].shape[0]

    def tokenizer(self):
        """GPT-2 byte pairs with digits split off one by one, as SmolLM2's tokenizer.json has it."""
        f = self.fields
        assert f["tokenizer.ggml.model"] == "gpt2" and f["tokenizer.ggml.pre"] == "smollm"
        tokens = f["tokenizer.ggml.tokens"]
        merges = [tuple(m.split(" ", 1)) for m in f["tokenizer.ggml.merges"]]
        t = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={s: i for i, s in enumerate(tokens)}, merges=merges))
        pre = tokenizers.pre_tokenizers
        t.pre_tokenizer = pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)])
        control = [s for s, kind in zip(tokens, f["tokenizer.ggml.token_type"]) if kind == 3]
        t.add_special_tokens([tokenizers.AddedToken(s, normalized=False, special=True) for s in control])
        return t


def reference(m, ids):
    """Llama in float64, with nothing shared with transformers. Returns the residual stream after each layer [L,T,D], and the
    final normed rows [T,D]."""
    w = m.w64
    t = len(ids)
    pair = torch.arange(0, m.head_dim, 2, dtype=torch.float64)
    angle = torch.arange(t, dtype=torch.float64)[:, None] * m.base ** (-pair / m.head_dim)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]

    def norm(x, weight):
        return x / (x.pow(2).mean(-1, keepdim=True) + m.eps).sqrt() * weight

    def rope(x):
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)

    x = w["token_embd.weight"][torch.tensor(ids)]
    stream = []
    for i in range(m.layers):
        p = f"blk.{i}."
        h = norm(x, w[p + "attn_norm.weight"])
        q = rope((h @ w[p + "attn_q.weight"].T).view(t, m.heads, m.head_dim))
        k = rope((h @ w[p + "attn_k.weight"].T).view(t, m.kv_heads, m.head_dim))
        v = (h @ w[p + "attn_v.weight"].T).view(t, m.kv_heads, m.head_dim)
        y = torch.empty_like(q)
        for head in range(m.heads):
            g = head * m.kv_heads // m.heads
            for row in range(0, t, 512):  # a tile of queries: the whole pattern of a long prompt takes a gigabyte
                end = min(row + 512, t)
                s = q[row:end, head] @ k[:end, g].T / math.sqrt(m.head_dim)
                s.masked_fill_(torch.arange(end)[None] > torch.arange(row, end)[:, None], -math.inf)
                y[row:end, head] = s.softmax(-1) @ v[:end, g]
        x = x + y.flatten(1) @ w[p + "attn_output.weight"].T
        h = norm(x, w[p + "ffn_norm.weight"])
        gate = h @ w[p + "ffn_gate.weight"].T
        x = x + (gate * gate.sigmoid() * (h @ w[p + "ffn_up.weight"].T)) @ w[p + "ffn_down.weight"].T
        stream.append(x)
    return torch.stack(stream), norm(x, w["output_norm.weight"])


def hugging_face(m):
    """The same file as transformers' LlamaForCausalLM in float32."""
    config = transformers.LlamaConfig(
        vocab_size=m.vocabulary, hidden_size=m.width, intermediate_size=m.mlp, num_hidden_layers=m.layers,
        num_attention_heads=m.heads, num_key_value_heads=m.kv_heads, max_position_embeddings=m.context, rms_norm_eps=m.eps,
        rope_parameters={"rope_type": "default", "rope_theta": m.base}, tie_word_embeddings="output.weight" not in m.w)
    net = transformers.LlamaForCausalLM(config).eval().float()

    def halves(w, heads):
        # Llama GGUF files interleave the two halves of each head's rows for GGML's rope; transformers wants the halves.
        return w.view(heads, m.head_dim // 2, 2, -1).transpose(1, 2).reshape(w.shape)

    names = {"self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    state = {"model.embed_tokens.weight": m.w["token_embd.weight"], "model.norm.weight": m.w["output_norm.weight"],
             "lm_head.weight": m.w.get("output.weight", m.w["token_embd.weight"])}
    for i in range(m.layers):
        for theirs, ours in names.items():
            state[f"model.layers.{i}.{theirs}.weight"] = m.w[f"blk.{i}.{ours}.weight"]
        state[f"model.layers.{i}.self_attn.q_proj.weight"] = halves(m.w[f"blk.{i}.attn_q.weight"], m.heads)
        state[f"model.layers.{i}.self_attn.k_proj.weight"] = halves(m.w[f"blk.{i}.attn_k.weight"], m.kv_heads)
    net.load_state_dict(state, strict=True)
    return net


def run_hugging_face(net, ids):
    """Residual stream after each layer [L,T,D] and final normed rows [T,D]."""
    stream = []
    hooks = [layer.register_forward_hook(lambda _, __, out: stream.append((out[0] if isinstance(out, tuple) else out)[0]))
             for layer in net.model.layers]
    out = net.model(torch.tensor([ids]), use_cache=False)
    for h in hooks:
        h.remove()
    return torch.stack(stream), out.last_hidden_state[0]


def lift_to_float64(net, m):
    """LlamaForCausalLM computes norms and rope angles in float32 whatever its dtype; here they become float64 too."""
    net = net.double()

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def rotary(self, x, position_ids):
        freq = m.base ** (-torch.arange(0, m.head_dim, 2, dtype=torch.float64) / m.head_dim)
        angle = position_ids[..., None].double() * freq
        angle = torch.cat([angle, angle], -1)
        return angle.cos(), angle.sin()

    for module in net.modules():
        kind = type(module).__name__
        if kind == "LlamaRMSNorm":
            module.forward = norm.__get__(module)
        elif kind == "LlamaRotaryEmbedding":
            module.forward = rotary.__get__(module)
    return net


def positions(t):
    """Which rows to keep: the ends, the quarters, and both sides of the block and batch edges 64, 512, 2048 and 4096."""
    if t <= 128:
        return sorted({0, t // 4, t // 2, 3 * t // 4, t - 1})
    return sorted({t - 1} | {p for edge in (64, 512, 2048, 4096) for p in (edge - 1, edge) if p < t})


def load_prompts(m):
    tokenizer = m.tokenizer()
    for p in json.loads((HERE / "prompts.json").read_text()):
        text = pathlib.Path(p["file"]).read_text() if "file" in p else p["text"] * p.get("repeat", 1)
        ids = tokenizer.encode(text).ids[: p.get("tokens")]
        assert len(ids) == p.get("tokens", len(ids)), p["name"]
        yield p["name"], text, ids


@torch.inference_mode()
def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("model")
    a.add_argument("out", nargs="?", default="model/lm/testdata/smollm2_logits.json.gz")
    a.add_argument("--cross-check", action="store_true")
    args = a.parse_args()

    m = Model(args.model)
    m.w64 = {k: v.double() for k, v in m.w.items()}
    head64 = m.w64.get("output.weight", m.w64["token_embd.weight"])
    net = hugging_face(m)
    fixed = np.sort(np.random.Generator(np.random.PCG64(0)).choice(m.vocabulary, FIXED, replace=False)).astype(np.int32)
    prompts, residual, kept = [], None, []
    for name, text, ids in load_prompts(m):
        rows = positions(len(ids))
        stream, final = reference(m, ids)
        logits = final[rows] @ head64.T
        stream32, final32 = run_hugging_face(net, ids)
        logits32 = net.lm_head(final32[rows])
        error = (logits32.double() - logits).abs().amax(1)
        top = logits.topk(TOP, dim=1)
        last = range(max(0, len(ids) - LAST), len(ids))
        two = (final[last.start:] @ head64.T).topk(2, dim=1)
        best = [[at, i1, i2, l1, l1 - l2] for at, (i1, i2), (l1, l2) in zip(last, two.indices.tolist(), two.values.tolist())]
        prompts.append({
            "name": name,
            "text": text if len(ids) <= 256 else None,
            "tokens": put_i32(np.array(ids)),
            "positions": rows,
            "top_ids": put_i32(top.indices.numpy()),
            "top_logits": put_f64(top.values.numpy()),
            "fixed_logits": put_f64(logits[:, fixed].numpy()),
            "logsumexp": put_f64(logits.logsumexp(1).numpy()),
            "torch_f32_max_error": error.tolist(),
            "best": best,
        })
        if name == RESIDUAL_PROMPT:
            residual = {
                "prompt": name,
                "position": len(ids) - 1,
                "resid_post": put_f32(stream[:, -1].numpy()),
                "torch_f32_max_error": (stream32[:, -1].double() - stream[:, -1]).abs().amax(1).tolist(),
            }
        if args.cross_check and len(ids) <= 1000:
            kept.append((name, ids, rows, stream, logits))
        print(f"{name:16s} {len(ids):5d} tokens  float32 error {error.max():.2e}  largest logit {logits.abs().max():.1f}", flush=True)
    if args.cross_check:
        net = lift_to_float64(net, m)
        for name, ids, rows, stream, logits in kept:
            s, f = run_hugging_face(net, ids)
            print(f"{name:16s} transformers in float64: stream differs by {(s - stream).abs().max():.1e}, "
                  f"logits by {(net.lm_head(f[rows]) - logits).abs().max():.1e}")
    doc = {
        "made_by": "tools/oracle/llama_logits.py",
        "versions": versions("torch", "transformers", "gguf", "tokenizers", "numpy"),
        "model": {"file": pathlib.Path(args.model).name, "sha256": hashlib.sha256(pathlib.Path(args.model).read_bytes()).hexdigest()},
        "fixed_ids": put_i32(fixed),
        "best_fields": ["position", "id_1", "id_2", "logit_1", "logit_gap"],
        "prompts": prompts,
        "residual": residual,
    }
    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    data = gzip.compress(json.dumps(doc, ensure_ascii=False).encode(), 9, mtime=0)
    out.write_bytes(data)
    print(f"{out}: {len(data)} bytes")


if __name__ == "__main__":
    main()
