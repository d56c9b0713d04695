"""Make eval/perplexity/testdata: perplexities and likelihoods of choices, by Hugging Face transformers.

Usage: python tools/oracle/eval.py [MODEL.gguf]

MODEL.gguf is SmolLM2-135M-Instruct.Q4_1.gguf; without it only qwen3.json is made. qwen3.json is of the small random checkpoint of
families.py, in float64: `cases` are perplexities of texts by windows, where each token counts in the first window that has it, and
what stands before it in that window is its context; `last` is the nats of a continuation of which only the last tokens before it
are known. smollm2.json is of the real model: `nats` is -log p of each token of a text by windows, in float64, with the largest error
of float32, its root mean square, and its sum over all tokens; `guide` is the figure of the code in transformers' guide "Perplexity
of fixed-length models" as it stands there, which counts one token less for each window; `choices` are the log-likelihoods of
endings, as lm-evaluation-harness takes them: of the tokens of prompt and ending together, those beyond the tokens of the prompt.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
import torch
import transformers

import families
import llama_logits
from encode import put_f64

OUT = pathlib.Path("eval/perplexity/testdata")
TEXT = pathlib.Path("eval/needle/opticks.txt")
CHOICES = [
    ("The capital of France is", ["Berlin.", "Paris.", "Madrid.", "the city of Rome."]),
    ("Water freezes at a temperature of", ["0 degrees Celsius.", "100 degrees Celsius.", "50 degrees."]),
    ("Two and two are", ["five.", "four."]),
    ("A cat is an animal, and so is a", ["stone.", "dog.", "very old house in the mountains."]),
]


def windows(n, size, stride):
    begin = done = 0
    while True:
        end = min(begin + size, n)
        yield begin, end, max(done, begin + 1)
        if end == n:
            return
        begin, done = begin + stride, end


@torch.no_grad()
def nats(model, ids):
    """-log p of each token but the first."""
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits.double(), torch.tensor(ids[1:]), reduction="none")


def each(model, ids, size, stride):
    """-log p of each token that counts."""
    return torch.cat([nats(model, ids[begin:end])[first - begin - 1:] for begin, end, first in windows(len(ids), size, stride)])


def perplexity(model, ids, size, stride):
    x = each(model, ids, size, stride)
    return dict(size=size, stride=stride, tokens=len(x), nats=x.sum().item(), squares=(x * x).sum().item())


@torch.no_grad()
def guide(model, ids, size, stride):
    """The code of the guide, with its names; only the device is left out."""
    encodings = torch.tensor([ids])
    nll_sum, n_tokens, prev_end_loc, seq_len = 0.0, 0, 0, encodings.size(1)
    for begin_loc in range(0, seq_len, stride):
        end_loc = min(begin_loc + size, seq_len)
        trg_len = end_loc - prev_end_loc
        input_ids = encodings[:, begin_loc:end_loc]
        target_ids = input_ids.clone()
        target_ids[:, :-trg_len] = -100
        neg_log_likelihood = model(input_ids, labels=target_ids).loss
        num_loss_tokens = (target_ids != -100).sum().item() - target_ids.size(0)
        nll_sum += neg_log_likelihood * num_loss_tokens
        n_tokens += num_loss_tokens
        prev_end_loc = end_loc
        if end_loc == seq_len:
            break
    return float(torch.exp(nll_sum / n_tokens))


def made():
    return f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}"


def small():
    _, model = families.build("qwen3")
    ids = np.random.default_rng(7).integers(3, 92, 45).tolist()
    with families.lifted():
        model = families.lift(model)
        cases = [perplexity(model, ids, size, stride) for size, stride in [(64, 64), (64, 32), (16, 16), (16, 6), (16, 1), (45, 5), (2, 1)]]
        last = [dict(prompt=30, keep=k, nats=nats(model, ids[30 - k:])[k - 1:].tolist()) for k in (30, 11, 1)]
    (OUT / "qwen3.json").write_text(json.dumps(dict(made=made() + ", float64", tokens=ids, cases=cases, last=last)))


def real(path):
    m = llama_logits.Model(path)
    encode = m.tokenizer().encode
    text = TEXT.read_text()
    ids = encode(text).ids
    net = llama_logits.hugging_face(m)
    doc = dict(made=made(), sha256=hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), text=len(text.encode()), tokens=len(ids))
    rounded, doc["guide"] = each(net, ids, 1024, 512), guide(net, ids, 1024, 512)
    net = llama_logits.lift_to_float64(net, m)
    exact = each(net, ids, 1024, 512)
    off = rounded - exact
    doc |= dict(size=1024, stride=512, nats=put_f64(exact.numpy()), torch_f32_max_error=off.abs().max().item(),
                torch_f32_rms_error=off.square().mean().sqrt().item(), torch_f32_sum_error=off.sum().item())
    print({k: v for k, v in doc.items() if k != "nats"}, flush=True)
    doc["choices"] = []
    for prompt, endings in CHOICES:
        n, likely, counts = len(encode(prompt).ids), [], []
        for e in endings:
            whole = encode(prompt + " " + e).ids
            assert whole[:n] == encode(prompt).ids
            likely.append(-nats(net, whole)[n - 1:].sum().item())
            counts.append(len(whole) - n)
        doc["choices"].append(dict(prompt=prompt, choices=endings, tokens=counts, log_likelihood=likely))
    (OUT / "smollm2.json").write_text(json.dumps(doc, indent=1))


if __name__ == "__main__":
    small()
    if len(sys.argv) > 1:
        real(sys.argv[1])
