"""Fixture for tokenizer.Train: what BpeTrainer of tokenizers makes of texts.

    python tools/oracle/bpe_train.py tokenizer/testdata/train.json.gz

Made with tokenizers 0.23.3. The texts are generated: words of a small random
vocabulary with frequencies like those of a language, many of them equally frequent so
that ties decide; digits, runs of one letter, letters beyond ASCII, line ends.
"""

import gzip
import json
import random
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def generate(seed, words):
    rng = random.Random(seed)
    stems = ["".join(rng.choice("etaoinshrdlcum") for _ in range(rng.randint(1, 7))) for _ in range(300)]
    extra = ["naïve", "Ærøskøbing", "東京", "москва", "😀", "don't", "we'll", "1234567", "aaaa", "aaaaaaaaa", "ababab", "...", "x_y", "\u00a0", "e\u0301"]
    parts = []
    for _ in range(words):
        r = rng.random()
        if r < 0.05:
            parts.append(rng.choice(extra))
        elif r < 0.08:
            parts.append(str(rng.randint(0, 99999)))
        else:
            parts.append(stems[int(len(stems) * rng.random() ** 2)])
        parts.append(rng.choice([" ", " ", " ", " ", "  ", ", ", ".\n", "\n\n", "\t"]))
    return "".join(parts)


def train(texts, vocabulary, least, special):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=least,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return t


def main():
    cases = []
    for texts, vocabulary, least, special in [
        ([generate(1, 3000)], 700, 0, ["<|endoftext|>"]),
        ([generate(2, 800), generate(3, 800)], 2000, 3, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
        (["aaaaaaaaaaaaaaaa aaaaa aaa abababa bababa cabcab abcabcabc abc bca"], 400, 0, ["<|endoftext|>"]),
        ([""], 300, 0, ["<|endoftext|>"]),
    ]:
        t = train(texts, vocabulary, least, special)
        model = json.loads(t.to_str())["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        probe = [generate(9, 60), "", "aaaaaaa", "naïve 東京\n"]
        cases.append(
            {
                "texts": texts, "vocabulary": vocabulary, "least": least, "special": special,
                "tokens": tokens, "merges": [" ".join(m) for m in model["merges"]],
                "probe": probe, "ids": [t.encode(p).ids for p in probe],
            }
        )
    with gzip.GzipFile(sys.argv[1], "wb", mtime=0) as f:
        f.write(json.dumps(cases, ensure_ascii=False).encode())


main()
