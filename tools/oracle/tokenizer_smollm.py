#!/usr/bin/env python3
"""Writes the fixtures of package tokenizer from a SmolLM2 GGUF file.

    python tools/oracle/tokenizer_smollm.py SmolLM2-135M-Instruct.Q4_1.gguf tokenizer/testdata

The reference is Hugging Face tokenizers (0.23.3 made the committed files, with
gguf 0.19.0), given the tokens and merges of the file and the pre-tokenizers of
the published tokenizer.json files. Seeded: the same versions write the same bytes.
"""
import gzip
import hashlib
import json
import pathlib
import random
import struct
import sys

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

CONTROL = 3
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
BYTES_ONLY = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
PRE = {
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTE_LEVEL]),
    "gpt-2": BYTE_LEVEL,
    "llama-bpe": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), BYTES_ONLY]),
    "qwen2": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), BYTES_ONLY]),
}


def build(tokens, types, merges, pre):
    vocab = {t: i for i, t in enumerate(tokens)}
    model = models.BPE(vocab, [tuple(m.split(" ")) for m in merges], ignore_merges=pre == "llama-bpe")
    tok = Tokenizer(model)
    tok.pre_tokenizer = PRE[pre]
    tok.decoder = decoders.ByteLevel()
    control = [t for t, k in zip(tokens, types) if k == CONTROL]
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    assert tok.get_vocab_size() == len(tokens)
    return tok


# Blocks that between them hold every class of character a pre-tokenizer tells
# apart, the first and last plane, and scripts with marks, joiners and odd spaces.
BLOCKS = [
    (0x20, 0x7E), (0x00, 0x1F), (0x80, 0xFF), (0x100, 0x24F), (0x2B0, 0x36F), (0x370, 0x52F), (0x590, 0x6FF),
    (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x10A0, 0x13FF), (0x1680, 0x16FF), (0x1780, 0x1AFF),
    (0x1E00, 0x1FFF), (0x2000, 0x20CF), (0x2100, 0x2BFF), (0x2E80, 0x30FF), (0x3100, 0x33FF), (0x4E00, 0x9FFF),
    (0xA000, 0xABFF), (0xAC00, 0xD7FF), (0xE000, 0xF8FF), (0xF900, 0xFFFF), (0x10000, 0x107FF), (0x10800, 0x10FFF),
    (0x11000, 0x11FFF), (0x12000, 0x143FF), (0x16100, 0x18CFF), (0x1B000, 0x1BCFF), (0x1CC00, 0x1E5FF),
    (0x1D000, 0x1D7FF), (0x1F000, 0x1FAFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF), (0x10FF00, 0x10FFFF),
]
SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_SPACES = "\u180e\u200b\u200c\u200d\u2060\ufeff\x1c\x1f"
DIGITS = "0123456789²½¼Ⅷ①٣८๕〇㊿𝟗𑛀\U00011de3\U00016ff5\U00011bf4৪"
ENDINGS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'RE", "'Ve", "'LL", "'D", "’s", "'", "''", "'ſ", "'l", "'r"]
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇨🇭", "❤️", "1️⃣", "🧑🏿‍🚀", "😀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
WORDS = (
    "the of and to in is was he for it with as his on be at by I this had not are but from or have an they which "
    "one you were all her she there would their we him been has when who will no more if out so up said what its "
    "about than into them can only other time new some could these two may first then do any like my now over such "
    "Our man me even most made after also did many fore must through years much where your way down should because "
    "long each just those people Mr how too little good world make very year still see own work men day get here old "
    "life both between being under three never know same last another while us might great go come since against "
    "antidisestablishmentarianism Überraschung naïve façade coöperate smörgåsbord déjà señor Ελλάδα Москва こんにちは "
    "안녕하세요 שלום مرحبا नमस्ते สวัสดี 北京 東京都 func return nil err := != => -> /* */ // {} [] () ; , . : ? ! … — “ ” "
    "http://example.com/?q=1&r=2 foo_bar camelCase SCREAMING_SNAKE 3.14159 1,000,000 0x7f -42 50% $9.99 a@b.c #tag"
).split(" ")


def any_char(r):
    while True:
        c = r.randint(0, 0x10FFFF)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def block(r):
    lo, hi = r.choice(BLOCKS)
    return "".join(chr(r.randint(lo, hi)) for _ in range(r.randint(1, 8)))


def near_miss(r, tokens):
    t = r.choice(tokens[:17])
    cut = r.randint(0, len(t))
    return r.choice([t, t, t[:cut], t[cut:], t.upper(), t.replace("|", "｜"), t[:cut] + " " + t[cut:], t + t, "<|" + t])


def piece(r, tokens):
    kinds = [
        lambda: r.choice(WORDS),
        lambda: " " + r.choice(WORDS),
        lambda: " " + r.choice(WORDS) + r.choice(ENDINGS),
        lambda: r.choice(ENDINGS) + r.choice(["", "x", " ", "é", "9"]),
        lambda: "".join(r.choice(SPACES) for _ in range(r.randint(1, 6))),
        lambda: r.choice(" \t\n\u3000") * r.randint(1, 12),
        lambda: r.choice(["\r\n", "\n\n", "\r\n\r\n", " \r\n ", "\n \n", "\r", "!\r\n\r\n", "\n\t"]),
        lambda: r.choice(NOT_SPACES),
        lambda: "".join(r.choice(DIGITS) for _ in range(r.randint(1, 7))),
        lambda: str(r.randint(0, 10 ** r.randint(1, 12))),
        lambda: r.choice(EMOJI),
        lambda: r.choice("aeoŕक한") + "".join(chr(r.randint(0x300, 0x36F)) for _ in range(r.randint(1, 6))),
        lambda: block(r),
        lambda: any_char(r),
        lambda: r.choice(["\x00", "\x00\x00", "\x7f", "\ufffd", "\ufffe", "\x04", "Ġ", "Ċ", "▁", "<0x0A>"]),
        lambda: near_miss(r, tokens),
        lambda: "".join(chr(r.randint(33, 126)) for _ in range(r.randint(1, 10))),
        lambda: r.choice("a^.-=_ 0é漢\u0301!😀") * r.randint(2, 60),
    ]
    return r.choice(kinds)()


def strings(seed, n, tokens):
    r = random.Random(seed)
    # Every end of every class, alone and between neighbours that would join it.
    out = ["", " ", "  ", "\n", "'", "a", " a", "  a", "a ", "a  ", "\u3000a", "a\u3000 b"]
    while len(out) < n:
        form = r.random()
        if form < 0.3:
            out.append(" ".join(r.choice(WORDS) for _ in range(r.randint(1, 14))))
        elif form < 0.35:
            out.append("".join(any_char(r) for _ in range(r.randint(1, 20))))
        elif form < 0.36:
            out.append(r.choice(["a", "^", " ", "0", "the ", "漢", "\u0301", "ab", "\r\n", "=-"]) * r.randint(100, 600))
        else:
            out.append("".join(piece(r, tokens) for _ in range(r.randint(1, 7))))
    return out


def write(path, lines):
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{path}: {path.stat().st_size} bytes")


def row(**fields):
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def encode(tok, text, special):
    tok.encode_special_tokens = not special
    return tok.encode(text, add_special_tokens=False).ids


def main():
    model, out = sys.argv[1], pathlib.Path(sys.argv[2])
    fields = gguf.GGUFReader(model).fields
    tokens, types, merges = (fields["tokenizer.ggml." + k].contents() for k in ("tokens", "token_type", "merges"))
    base = len(tokens) - len(merges)
    assert tokens[base:] == [m.replace(" ", "") for m in merges]
    assert [i for i, k in enumerate(types) if k != 1] == list(range(17)) and set(types[:17]) == {CONTROL}
    write(out / "smollm2.vocab.gz", [f"{base}"] + tokens[:base] + merges)

    tok = build(tokens, types, merges, "smollm")
    texts, lines = strings(1, 10000, tokens), []
    for s in texts:
        plain, special = encode(tok, s, False), encode(tok, s, True)
        lines.append(row(s=s, i=plain) if plain == special else row(s=s, i=plain, p=special))
    write(out / "smollm.jsonl.gz", lines)

    # Long texts are joined from those above, so only a digest of the ids is kept.
    lines = []
    for k in range(20):
        sep = ["", " ", "\n", "\r\n\r\n"][k % 4]
        ids = encode(tok, sep.join(texts[500 * k : 500 * k + 500]), False)
        digest = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()
        lines.append(row(sep=sep, n=len(ids), sha256=digest))
    write(out / "long.jsonl.gz", lines)

    toks = {pre: build(tokens, types, merges, pre) for pre in ("gpt-2", "llama-bpe", "qwen2")}
    lines = []
    for s in strings(2, 3000, tokens):
        lines.append(row(s=s, **{pre: encode(t, s, False) for pre, t in toks.items()}))
    write(out / "pre.jsonl.gz", lines)

    # Pieces, as the reference decodes them where they are UTF-8 by themselves.
    tok = build(tokens, types, merges, "smollm")
    r, lines = random.Random(3), []
    for _ in range(500):
        ids = [r.randrange(len(tokens)) for _ in range(r.randint(1, 12))]
        lines.append(row(i=ids, s=tok.decode(ids, skip_special_tokens=False)))
    write(out / "decode.jsonl.gz", lines)


if __name__ == "__main__":
    main()
