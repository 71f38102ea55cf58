# SPDX-License-Identifier: MIT
"""Processes that answer line by line, and taking turns between them."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
PAUSE = 0.05  # between turns: threads of the last side stop spinning


class Failed(Exception):
    """A side that did not answer; the message says why."""


class Side:
    """A process of its own, started at once; `about` is its first line."""

    def __init__(self, name, argv, threads, env=None):
        self.name, self.rows = name, []
        count = str(threads)
        own = {key: count for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        self.errors = tempfile.TemporaryFile("w+")
        self.begin = time.perf_counter()
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, **own, **(env or {})},
        )
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        status = self.process.wait()
        self.errors.seek(0)
        said = [s for s in self.errors.read().split("\n") if s.strip()]
        named = [s for s in said if re.match(r"[\w.]*(Error|Exception|Failed|Exit|Interrupt)\w*\b", s)]
        why = (named or said or ["no word"])[-1]  # advice may follow the line that names the error
        raise Failed(f"ended with status {status}: {why.strip()[:400]}")

    def tell(self, what):
        try:
            self.process.stdin.write(what + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def ask(self, what="run"):
        self.tell(what)
        return self.read()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Group:
    """The sides of one measurement, all alive, and why others are not."""

    def __init__(self):
        self.sides, self.absent = [], {}

    def add(self, name, argv, threads, env=None):
        progress(f"starting {name}")
        try:
            self.sides.append(Side(name, argv, threads, env))
        except (Failed, OSError) as why:
            self.absent[name] = str(why)

    def drop(self, side, why):
        self.absent[side.name] = str(why)
        self.sides.remove(side)
        side.close()

    def close(self):
        for side in self.sides:
            side.close()


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def late(deadline, done, begin):
    """Would a round as long as those before end after the deadline? Three are made in any case."""
    now = time.monotonic()
    return deadline is not None and done >= 3 and now + (now - begin) / done > deadline


def alternate(group, peak, rounds, warm, title, deadline=None):
    """Rounds of one run a side, the order rotating, the peak measured before each turn.

    Warm-up runs are kept apart: `warm_rows` of each side. Returns the peaks."""
    peaks = []
    for side in group.sides:
        side.rows, side.warm_rows = [], []
    for r in range(-warm, rounds):
        if r == 0:
            begin = time.monotonic()
        if r > 0 and late(deadline, r, begin):
            break
        progress(f"{title}: round {max(0, r + 1)} of {rounds}")
        turn = (r + warm) % max(1, len(group.sides))
        for side in group.sides[turn:] + group.sides[:turn]:
            time.sleep(PAUSE)
            peaks.append(peak.ask("peak")["flops"])
            try:
                (side.rows if r >= 0 else side.warm_rows).append(side.ask())
            except Failed as why:
                group.drop(side, why)
    progress("")
    return peaks


def alternate_shapes(group, peak, shapes, rounds, deadline=None):
    """The same for requests by name; short products are repeated to last some milliseconds."""
    peaks = []
    for side in group.sides:
        side.rows = {s["name"]: [] for s in shapes}
    for r in range(-1, rounds):
        if r == 0:
            begin = time.monotonic()
        if r > 0 and late(deadline, r, begin):
            break
        progress(f"products: round {max(0, r + 1)} of {rounds}")
        for s in shapes:
            flops = 2 * s["batch"] * s["m"] * s["n"] * s["k"]
            times = max(1, round(8e8 / flops))
            turn = (r + 1) % max(1, len(group.sides))
            for side in group.sides[turn:] + group.sides[:turn]:
                peaks.append(peak.ask("peak")["flops"])
                try:
                    row = side.ask(f"{s['name']} {times}")
                except Failed as why:
                    group.drop(side, why)
                    continue
                if r >= 0:
                    side.rows[s["name"]].append({k: row[k] / times for k in ("cpu", "wall")})
    progress("")
    return peaks
