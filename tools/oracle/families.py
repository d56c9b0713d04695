"""Small random checkpoints of every family of decoders, with reference activations at every site, by transformers.

Usage: python tools/oracle/families.py model/lm/testdata/families

Writes NAME.zip, the checkpoint in bfloat16 as transformers saves it (qwen3 in several files, and with a tokenizer); NAME.gguf.gz, the
same with the tensor names and the layout that llama.cpp's converter gives it, in float32; and NAME.json.gz, the reference: `values` in float64, kept as float32, at `rows` of the prompt `tokens`, with `torch_f32_max_error`, the largest error of
PyTorch's float32 over all rows. Shapes are those of pass.Sites; patterns are [H, T]. `gradients` holds two numbers of each weight's.

Weights take 8 values, so that they compress. transformers computes norms, rotary angles and softmax in float32 whatever the weights
are; for the float64 run these are lifted.
"""

import base64
import contextlib
import gzip
import importlib
import json
import pathlib
import sys
import tempfile
import zipfile

import gguf
import numpy as np
import tokenizers
import torch
import transformers

V, D, H, G, DH, F, T, ROWS = 96, 32, 4, 2, 8, 48, 12, [3, 7, 11]
TOKENS = [5, 17, 92, 3, 3, 61, 40, 88, 29, 3, 75, 12]

TARGETS = TOKENS[1:] + [50]

LLAMA_LIKE = dict(
    vocab_size=V, hidden_size=D, intermediate_size=F, num_attention_heads=H, num_key_value_heads=G, head_dim=DH, num_hidden_layers=2,
    max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)


def rope(theta, **more):
    return dict(rope_type="default", rope_theta=theta, **more)


# name: (config class, model class, arguments)
FAMILIES = {
    "llama": ("LlamaConfig", "LlamaForCausalLM",
              dict(LLAMA_LIKE, rms_norm_eps=1e-5, rope_parameters=rope(10000.0), tie_word_embeddings=False)),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM",
              dict({k: v for k, v in LLAMA_LIKE.items() if k != "head_dim"}, rms_norm_eps=1e-6, rope_parameters=rope(1e6), tie_word_embeddings=True)),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM",
              dict(LLAMA_LIKE, head_dim=12, rms_norm_eps=1e-6, rope_parameters=rope(1e6), tie_word_embeddings=False)),
    "gpt2": ("GPT2Config", "GPT2LMHeadModel",
             dict(vocab_size=V, n_positions=32, n_embd=D, n_layer=2, n_head=H, n_inner=F, activation_function="gelu_new",
                  layer_norm_epsilon=1e-5, bos_token_id=1, eos_token_id=2)),
    "gptneox": ("GPTNeoXConfig", "GPTNeoXForCausalLM",
                dict(vocab_size=V, hidden_size=D, intermediate_size=F, num_attention_heads=H, num_hidden_layers=2, hidden_act="gelu",
                     max_position_embeddings=256, layer_norm_eps=1e-5, use_parallel_residual=True, tie_word_embeddings=False,
                     rope_parameters=rope(10000.0, partial_rotary_factor=0.5), bos_token_id=1, eos_token_id=2)),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM",
               dict(LLAMA_LIKE, num_hidden_layers=3, rms_norm_eps=1e-6, sliding_window=5, query_pre_attn_scalar=DH,
                    layer_types=["sliding_attention", "full_attention", "sliding_attention"], hidden_activation="gelu_pytorch_tanh",
                    rope_parameters={"sliding_attention": rope(10000.0), "full_attention": rope(1e6)})),
}


def build(name):
    config_class, model_class, args = FAMILIES[name]
    config = getattr(transformers, config_class)(**args)
    config._attn_implementation = "eager"
    model = getattr(transformers, model_class)(config).eval()
    g = np.random.default_rng(sum(name.encode()))
    with torch.no_grad():
        for key, p in model.named_parameters():
            k = torch.tensor(g.integers(-4, 4, tuple(p.shape)), dtype=torch.float32)
            if p.dim() == 1 and key.endswith("weight"):  # a gain; Gemma's are kept less 1
                p.copy_(k / 8 + (0 if name == "gemma3" else 1))
            else:
                p.copy_(k / 8)
    return config, model


@contextlib.contextmanager
def lifted():
    """Makes float32 mean float64, for code that asks for it by name."""
    names, to = ["float", "float32"], torch.Tensor.float
    old = {n: getattr(torch, n) for n in names}
    try:
        for n in names:
            setattr(torch, n, torch.float64)
        torch.Tensor.float = lambda x: x.to(torch.float64)
        yield
    finally:
        for n in names:
            setattr(torch, n, old[n])
        torch.Tensor.float = to


def heads_last(x):  # [1, heads, T, Dh] -> [T, heads*Dh]
    return x[0].transpose(0, 1).reshape(x.shape[2], -1)


class Watch:
    """Hooks that keep what passes the sites."""

    def __init__(self):
        self.seen, self.handles, self.layer = {}, [], 0

    def keep(self, layer, site, x):
        self.seen[layer, site] = (x[0] if x.dim() == 3 else x).detach().double()

    def input(self, module, layer, *sites):
        def hook(m, args, kwargs):
            for s in sites:
                self.keep(layer, s, args[0] if args else kwargs["hidden_states"])
        self.handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def output(self, module, layer, f):
        def hook(m, args, out):
            out = out[0] if isinstance(out, tuple) else out
            for site, x in (f(out) if callable(f) else {f: out}).items():
                self.keep(layer, site, x)
        self.handles.append(module.register_forward_hook(hook))


def watch(name, config, model, w):
    if name == "gpt2":
        for i, b in enumerate(model.transformer.h):
            w.input(b, i, "resid_pre")
            w.input(b.attn.c_attn, i, "attn_in")
            w.output(b.attn.c_attn, i, lambda x: {
                s: y for s, y in zip(["attn.q", "attn.k", "attn.v", "attn.rot_q", "attn.rot_k"], x.split(x.shape[-1] // 3, -1) + x.split(x.shape[-1] // 3, -1)[:2])})
            w.input(b.attn.c_proj, i, "attn.z")
            w.output(b.attn.c_proj, i, "attn_out")
            w.input(b.ln_2, i, "resid_mid")
            w.input(b.mlp.c_fc, i, "mlp_in")
            w.output(b.mlp.c_fc, i, "mlp.pre")
            w.input(b.mlp.c_proj, i, "mlp.post")
            w.output(b.mlp.c_proj, i, "mlp_out")
            w.output(b, i, "resid_post")
        return
    if name == "gptneox":
        def split(x):  # [1, T, H*3*Dh]
            q, k, v = x[0].view(x.shape[1], config.num_attention_heads, 3, -1).unbind(2)
            return {"attn.q": q.flatten(1), "attn.k": k.flatten(1), "attn.v": v.flatten(1)}
        for i, b in enumerate(model.gpt_neox.layers):
            w.input(b, i, "resid_pre")
            w.input(b.attention.query_key_value, i, "attn_in")
            w.output(b.attention.query_key_value, i, split)
            w.input(b.attention.dense, i, "attn.z")
            w.output(b.attention.dense, i, "attn_out")
            w.input(b.mlp.dense_h_to_4h, i, "mlp_in")
            w.output(b.mlp.dense_h_to_4h, i, "mlp.pre")
            w.input(b.mlp.dense_4h_to_h, i, "mlp.post")
            w.output(b.mlp.dense_4h_to_h, i, "mlp_out")
            w.output(b, i, "resid_post")
        return
    gemma = name == "gemma3"
    for i, b in enumerate(model.model.layers):
        w.input(b, i, "resid_pre")
        w.input(b.self_attn.q_proj, i, "attn_in")
        for s in "qkv":
            w.output(getattr(b.self_attn, s + "_proj"), i, "attn." + s)
        w.input(b.self_attn.o_proj, i, "attn.z")
        w.output(b.post_attention_layernorm if gemma else b.self_attn.o_proj, i, "attn_out")
        w.input(b.pre_feedforward_layernorm if gemma else b.post_attention_layernorm, i, "resid_mid")
        w.input(b.mlp.gate_proj, i, "mlp_in")
        w.output(b.mlp.gate_proj, i, "mlp.pre")
        w.output(b.mlp.up_proj, i, "mlp.pre_linear")
        w.input(b.mlp.down_proj, i, "mlp.post")
        w.output(b.post_feedforward_layernorm if gemma else b.mlp.down_proj, i, "mlp_out")
        w.output(b, i, "resid_post")


def lift(model):
    """Makes a model float64, with the angles that transformers made in float32."""
    model = model.double()
    for m in model.modules():
        if "Rotary" in type(m).__name__:
            m.__init__(model.config)
    return model


def activations(name, model, tokens):
    """The values at every site, by (layer, site)."""
    module = importlib.import_module(type(model).__module__)
    w = Watch()
    plain = getattr(module, "apply_rotary_pos_emb", None)
    if plain:
        def rotate(*args, **kwargs):
            q, k = plain(*args, **kwargs)
            w.keep(w.layer, "attn.rot_q", heads_last(q))
            w.keep(w.layer, "attn.rot_k", heads_last(k))
            w.layer += 1
            return q, k
        module.apply_rotary_pos_emb = rotate
    try:
        with torch.no_grad():
            watch(name, model.config, model, w)
            out = model(input_ids=torch.tensor([tokens]), output_attentions=True, use_cache=False)
    finally:
        if plain:
            module.apply_rotary_pos_emb = plain
        for h in w.handles:
            h.remove()
    for i, p in enumerate(out.attentions):
        w.keep(i, "attn.pattern_last", p[0, :, -1])
        w.keep(i, "attn.pattern_sums", p[0].sum(1))
    w.keep(len(out.attentions), "logits", out.logits)
    assert out.logits.dtype == model.dtype
    return w.seen


def run(name, dtype):
    config, model = build(name)
    if dtype == torch.float32:
        return config, model, activations(name, model, TOKENS)
    with lifted():
        model = lift(model)
        seen = activations(name, model, TOKENS)
        logits = model(input_ids=torch.tensor([TOKENS]), use_cache=False).logits[0]
        torch.nn.functional.cross_entropy(logits, torch.tensor(TARGETS)).backward()
    return config, model, seen


ORDER = ["resid_pre", "attn_in", "attn.q", "attn.k", "attn.v", "attn.rot_q", "attn.rot_k", "attn.pattern_last", "attn.pattern_sums",
         "attn.z", "attn_out", "resid_mid", "mlp_in", "mlp.pre", "mlp.pre_linear", "mlp.post", "mlp_out", "resid_post", "logits"]


def pairs(x, heads):
    """Rows of rotary halves as rows of neighbours: what llama.cpp's converter does to Llama's queries and keys."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def reference(name, model, exact, rounded):
    sites = []
    for (layer, site), x in sorted(exact.items(), key=lambda e: (e[0][0], ORDER.index(e[0][1]))):
        assert x.dtype == torch.float64 and torch.isfinite(x).all()
        error = (x - rounded[layer, site]).abs().max().item()
        kept = x if "pattern" in site else x[ROWS]
        if name == "llama" and site in ("attn.q", "attn.rot_q", "attn.k", "attn.rot_k"):
            kept = pairs(kept.T, H if site.endswith("q") else G).T.contiguous()
        b = base64.b64encode(kept.numpy().astype("<f4").tobytes()).decode()
        sites.append(dict(layer=layer, site=site, shape=list(kept.shape), values=b, torch_f32_max_error=error))
    made = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, float64"
    return dict(made=made, tokens=TOKENS, rows=ROWS, sites=sites, targets=TARGETS, gradients=list(gradients(name, model)))


def tensors(name, model, of=lambda p: p.float(), add=1):
    """Names and numbers as llama.cpp's converter writes them: of(p) of each parameter p. add is what is added to Gemma's gains."""
    arch = {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[name]
    names = gguf.get_tensor_name_map(arch, 8)
    tied = getattr(model.config, "tie_word_embeddings", False)
    for key, p in model.state_dict(keep_vars=True).items():
        if tied and key == "lm_head.weight":
            continue
        x = of(p).detach().numpy()
        if name == "llama" and key.endswith(("q_proj.weight", "k_proj.weight")):
            x = pairs(x, H if "q_proj" in key else G)
        if name == "gpt2" and key.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
            x = x.T
        if name == "gptneox" and "query_key_value" in key:
            x = np.concatenate([x.reshape(H, 3, DH, -1)[:, i].reshape(H * DH, -1) for i in range(3)]).reshape(x.shape)
        if name == "gemma3" and key.endswith("norm.weight"):
            x = x + add
        to = names.get_name(key, try_suffixes=(".weight", ".bias"))
        assert to, key
        yield to, np.ascontiguousarray(x)


def gradients(name, model):
    """Of the mean cross-entropy with TARGETS: each weight's norm, and its sum weighted by cos(i), in float64."""
    for key, g in tensors(name, model, lambda p: p.grad, 0):
        parts = {key: g}
        if "attn_qkv" in key:
            parts = {key.replace("attn_qkv", "attn_" + s): x for s, x in zip("qkv", np.split(g, 3))}
        for key, x in parts.items():
            x = x.reshape(-1)
            yield dict(weight=key, norm=float(np.linalg.norm(x)), sum=float(x @ np.cos(np.arange(len(x)))))


def write_gguf(path, name, c, model):
    w = gguf.GGUFWriter(path, name)
    w.add_name("random " + name)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(F)
    w.add_head_count(c.num_attention_heads)
    if name not in ("gpt2", "gptneox"):
        w.add_head_count_kv(c.num_key_value_heads)
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
        theta = c.rope_parameters["full_attention"] if name == "gemma3" else c.rope_parameters
        w.add_rope_freq_base(theta["rope_theta"])
        if name != "qwen2":
            w.add_key_length(c.head_dim)
            w.add_value_length(c.head_dim)
    if name == "gpt2":
        w.add_layer_norm_eps(c.layer_norm_epsilon)
    if name == "gptneox":
        w.add_layer_norm_eps(c.layer_norm_eps)
        w.add_rope_dimension_count(DH // 2)
        w.add_parallel_residual(True)
    if name == "gemma3":
        w.add_sliding_window(c.sliding_window)
        w.add_uint32("gemma3.attention.sliding_window_pattern", 2)
    for key, x in tensors(name, model):
        w.add_tensor(key, x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_tokenizer(folder):
    """A byte-level tokenizer of 96 tokens: printable ASCII and the space, a merge, and what begins and ends a turn."""
    symbols = [chr(b) for b in range(33, 124)] + ["\u0120", "th", "\u0120th"]
    t = tokenizers.Tokenizer(tokenizers.models.BPE({s: i for i, s in enumerate(symbols)}, [("t", "h"), ("\u0120", "th")]))
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    t.save(str(folder / "tokenizer.json"))
    print("tokens of ' the thing':", t.encode(" the thing").ids)
    template = "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(eos_token="<|im_end|>", chat_template=template)))


def write_saved(path, name, model):
    with tempfile.TemporaryDirectory() as d:
        folder = pathlib.Path(d)
        model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="30KB" if name == "qwen3" else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        if name == "qwen3":
            write_tokenizer(folder)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for f in sorted(folder.iterdir()):
                z.writestr(zipfile.ZipInfo(f.name), f.read_bytes(), zipfile.ZIP_DEFLATED)


def compress(path, data):
    with open(path, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", compresslevel=9, mtime=0) as z:
        z.write(data)


def main():
    out = pathlib.Path(sys.argv[1])
    for name in FAMILIES:
        config, model, rounded = run(name, torch.float32)
        _, lifted_model, exact = run(name, torch.float64)
        with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
            write_gguf(f.name, name, config, model)
            compress(out / f"{name}.gguf.gz", pathlib.Path(f.name).read_bytes())
        write_saved(out / f"{name}.zip", name, model)
        ref = reference(name, lifted_model, exact, rounded)
        compress(out / f"{name}.json.gz", json.dumps(ref).encode())
        worst = max(s["torch_f32_max_error"] for s in ref["sites"])
        print(name, len(ref["sites"]), "sites, worst float32 error", worst, [(out / f"{name}.{e}").stat().st_size for e in ("gguf.gz", "json.gz", "zip")])


if __name__ == "__main__":
    main()
