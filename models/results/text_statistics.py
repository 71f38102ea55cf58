#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far sampled text is from the corpus, in numbers that need no model:

    python3 models/results/text_statistics.py CORPUS SAMPLES.json ...

SAMPLES.json holds what `tdc sample ... --json` prints: a list of texts. Of each file: the
Jensen-Shannon divergence (bits) of the frequencies of single symbols and of pairs, and the
share of words of three letters or more that occur in the corpus, with that share for symbols
drawn independently by the corpus's frequencies and for the corpus itself beside it."""

import collections
import json
import math
import random
import re
import sys


def frequencies(texts, n):
    counts = collections.Counter(t[i : i + n] for t in texts for i in range(len(t) - n + 1))
    total = sum(counts.values())
    return {k: v / total for k, v in counts.items()}


def divergence(p, q):
    """Jensen and Shannon's, in bits: 0 for equal, 1 for disjoint."""
    out = 0.0
    for k in p.keys() | q.keys():
        a, b = p.get(k, 0.0), q.get(k, 0.0)
        m = (a + b) / 2
        out += (a * math.log2(a / m) if a else 0) / 2 + (b * math.log2(b / m) if b else 0) / 2
    return out


def known_words(texts, words):
    """Words at a row's ends are cut, so they do not count."""
    found = [w for t in texts for w in re.findall(r"(?<=[^A-Za-z])[A-Za-z]{3,}(?=[^A-Za-z])", t)]
    return (sum(w.lower() in words for w in found) / len(found) if found else 0.0), len(found)


def main():
    corpus = open(sys.argv[1], encoding="utf-8").read()
    words = {w.lower() for w in re.findall(r"[A-Za-z]+", corpus)}
    whole = {n: frequencies([corpus], n) for n in (1, 2)}
    files = {name: json.load(open(name, encoding="utf-8")) for name in sys.argv[2:]}
    rows, width = max((len(t), len(t[0])) for t in files.values())
    rng = random.Random(0)
    starts = [rng.randrange(len(corpus) - width) for _ in range(rows)]
    files["symbols drawn independently"] = ["".join(rng.choices(corpus, k=width)) for _ in starts]
    files["rows of the corpus"] = [corpus[s : s + width] for s in starts]
    print(f"{'':40} {'rows':>5} {'symbols':>9} {'pairs':>9} {'words known':>12}")
    for name, texts in files.items():
        one, two = (divergence(frequencies(texts, n), whole[n]) for n in (1, 2))
        known, count = known_words(texts, words)
        print(f"{name:40} {len(texts):5} {one:9.4f} {two:9.4f} {100 * known:7.1f}% of {count}")


if __name__ == "__main__":
    main()
