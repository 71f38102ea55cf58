# SPDX-License-Identifier: MIT
"""What every side of the benchmark must agree on, and how a Python side serves."""

import json
import resource
import sys
import time

# models/shakespeare.td; F is 4 D there, given as a number here. Others: bench_models.py.
FLAGSHIP = {"L": 256, "V": 65, "D": 384, "H": 6, "F": 1536, "N": 6, "T": 128}
DROPOUT, RATE, GRU_RATE = 0.1, 1e-4, 0.01
ADAM = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
ends = (1e-4, 0.02)  # of the noise schedule


def tokens(rows, length, vocabulary, step):
    """The pattern of bench_side.c: each symbol follows from the one before."""
    return [
        [(31 * step + 17 * r + 3 * i) % vocabulary for i in range(length)] for r in range(rows)
    ]


def loop_values(last, steps):
    """(t, u) of `for t, u in last-1 .. 0 steps steps`: spread evenly, halves away from 0."""
    hi = last - 1
    t = [hi - int(hi * k / (steps - 1) + 0.5) if steps > 1 else hi for k in range(steps)]
    return list(zip(t, t[1:] + [-1]))


def serve(about, prepare, run):
    """Answer every line of stdin with one run; what `prepare` does is not timed."""
    print(json.dumps({"ready": True, **about}), flush=True)
    step = 0
    for line in sys.stdin:
        step += 1
        words = line.split()
        given = prepare(step) if prepare else (words[0], int(words[1]))
        cpu, wall = time.process_time(), time.perf_counter()
        loss = run(given)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        row = {"cpu": cpu, "wall": wall, "loss": loss, "peak_kilobytes": used}
        print(json.dumps(row), flush=True)
