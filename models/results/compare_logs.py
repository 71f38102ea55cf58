# SPDX-License-Identifier: MIT
"""Logs of `tdc train` side by side: mean losses of fifty steps at a time, and how far apart
the curves lie.

    python3 models/results/compare_logs.py FIRST.jsonl OTHER.jsonl ...
"""

import json
import os
import sys

WINDOW = 50


def losses(path):
    with open(path) as lines:
        rows = [json.loads(line) for line in lines]
    return {r["step"]: r["loss"] for r in rows if "loss" in r}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    names = [os.path.splitext(os.path.basename(p))[0] for p in sys.argv[1:]]
    curves = [losses(p) for p in sys.argv[1:]]
    steps = sorted(set.intersection(*(set(c) for c in curves)))
    print(f"{'steps':>11}", *(f"{n:>20}" for n in names))
    for begin in range(0, steps[-1], WINDOW):
        here = [s for s in steps if begin < s <= begin + WINDOW]
        if here:
            means = (sum(c[s] for s in here) / len(here) for c in curves)
            print(f"{begin + 1:5} -{begin + WINDOW:4}", *(f"{m:20.4f}" for m in means))
    for name, curve in list(zip(names, curves))[1:]:
        apart = [abs(curve[s] - curves[0][s]) / curves[0][s] for s in steps]
        mean = sum(apart) / len(apart)
        print(f"{name} lies {100 * mean:.2f}% from {names[0]} in the mean, {100 * max(apart):.2f}% at most")


main()
