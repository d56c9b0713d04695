"""LoRA adapters of the small checkpoints of families.py, made by PEFT, with PEFT's logits.

Usage: python tools/oracle/lora.py model/lm/testdata/lora
       python tools/oracle/lora.py --check NAME FOLDER   (logits with an adapter that mica has saved)

Writes NAME.zip, the adapter as PEFT saves it, and NAME.json: `logits` [T, V] of the checkpoint with the adapter in float64, kept as
float32, `torch_f32_max_error`, the largest error of PyTorch's float32, and `gradients` of the mean cross-entropy with the targets
with respect to each tensor of the adapter: its norm, and its sum weighted by cos(i).

Norms, rotary angles and softmax are lifted to float64 as in families.py. Adapters take 8 values, so that they compress.
"""

import base64
import json
import pathlib
import sys
import tempfile
import zipfile

import families
import numpy as np
import peft
import torch
import transformers

LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "llama": dict(r=4, lora_alpha=6, target_modules=LLAMA + ["lm_head"]),
    "qwen2": dict(r=3, lora_alpha=4, target_modules=LLAMA, use_rslora=True),
    "qwen3": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], layers_to_transform=[1]),
    "gpt2": dict(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True),
    "gptneox": dict(r=4, lora_alpha=8, target_modules=["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
    "gemma3": dict(r=2, lora_alpha=4, target_modules=LLAMA, lora_dropout=0.1),
}


def adapted(name):
    _, model = families.build(name)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **ADAPTERS[name])).eval()
    g = np.random.default_rng(7)
    with torch.no_grad():
        for key, p in sorted(model.named_parameters()):
            if "lora_" in key:
                p.copy_(torch.tensor(g.integers(-4, 4, tuple(p.shape)), dtype=torch.float32) / 16)
    return model


def logits(model):
    return model(input_ids=torch.tensor([families.TOKENS]), use_cache=False).logits[0]


def exact(model):
    """Logits and gradients in float64."""
    with families.lifted():
        model = families.lift(model)
        y = logits(model)
        assert y.dtype == torch.float64
        torch.nn.functional.cross_entropy(y, torch.tensor(families.TARGETS)).backward()
    gradients = []
    for key, p in model.named_parameters():
        if "lora_" in key:
            x = p.grad.detach().numpy().reshape(-1)
            gradients.append(dict(tensor=key.replace(".default", ""), norm=float(np.linalg.norm(x)), sum=float(x @ np.cos(np.arange(len(x))))))
    return y.detach(), gradients


def write(out, name):
    model = adapted(name)
    with tempfile.TemporaryDirectory() as d:
        model.save_pretrained(d, save_embedding_layers=False)
        with zipfile.ZipFile(out / f"{name}.zip", "w") as z:
            for f in ["adapter_config.json", "adapter_model.safetensors"]:
                z.writestr(zipfile.ZipInfo(f), (pathlib.Path(d) / f).read_bytes(), zipfile.ZIP_DEFLATED, 9)
    with torch.no_grad():
        rounded = logits(model).double()
    y, gradients = exact(model)
    made = f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, float64"
    ref = dict(made=made, targets=families.TARGETS, shape=list(y.shape), logits=base64.b64encode(y.numpy().astype("<f4").tobytes()).decode(),
               torch_f32_max_error=(y - rounded).abs().max().item(), gradients=gradients)
    (out / f"{name}.json").write_text(json.dumps(ref) + "\n")
    print(name, len(gradients), "tensors, worst float32 error", ref["torch_f32_max_error"])


def check(name, folder, ref):
    """The same logits with an adapter of another program."""
    _, model = families.build(name)
    y, _ = exact(peft.PeftModel.from_pretrained(model, folder, is_trainable=True).eval())
    want = np.frombuffer(base64.b64decode(json.loads(ref.read_text())["logits"]), "<f4").reshape(y.shape)
    print(name, "largest difference", np.abs(y.numpy() - want).max())


def main():
    if sys.argv[1] == "--check":
        check(sys.argv[2], sys.argv[3], pathlib.Path("model/lm/testdata/lora") / f"{sys.argv[2]}.json")
        return
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name in ADAPTERS:
        write(out, name)


if __name__ == "__main__":
    main()
