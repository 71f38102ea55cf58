# SPDX-License-Identifier: MIT
"""What is aimed at, as ratios by the medians, and whether it was met."""

from collections import namedtuple

from bench_models import MODELS

# title; what is asked of a measurement; at least; the goal beyond, or None
Target = namedtuple("Target", "title what least goal")


def amx(entry):
    """Were products made on the processor's tiles?"""
    return entry.get("amx", True)


def whole(entry):
    """Was the processor used with all that it has?"""
    return amx(entry) or not entry.get("tiles", True)


def flagship(what, number, batch, how):
    return lambda e: (
        e["what"] == what and (e["type"], e["size"]["B"], e["threads"]) == (number, batch, 1) and how(e)
    )


def model(name, number):
    return lambda e: e["what"] == name and e["type"] == number and whole(e)


def memory(number, batch):
    return lambda e: e["what"] == "memory" and (e["type"], e["size"]["B"]) == (number, batch)


def others(what, number):
    return lambda e: e["what"] == what and e["type"] == number


def targets():
    for batch in (8, 32):
        yield Target(f"training step, f32, batch {batch}", flagship("step", "f32", batch, whole), 1.5, 2)
        yield Target(f"training step, split3, batch {batch}", flagship("step", "split3", batch, amx), 2.2, 3)
        yield Target(f"training step, bf16, batch {batch}", flagship("step", "bf16", batch, amx), 3, 4)
        without = flagship("step", "bf16", batch, lambda e: not amx(e))
        yield Target(f"training step, bf16 without AMX, batch {batch}", without, 1.4, None)
    for batch in (1, 8, 32):
        yield Target(f"sampler, f32, batch {batch}", flagship("sample", "f32", batch, whole), 1.5, 2)
        yield Target(f"sampler, bf16, batch {batch}", flagship("sample", "bf16", batch, amx), 3, 4)
        without = flagship("sample", "bf16", batch, lambda e: not amx(e))
        yield Target(f"sampler, bf16 without AMX, batch {batch}", without, 1.4, None)
    for number in ("f32", "bf16"):
        yield Target(f"slowest of the matrix products, {number}", others("gemm", number), 1, None)
        for batch in (8, 32):
            yield Target(f"memory of a step, {number}, batch {batch}", memory(number, batch), 1 / 0.38, None)
        yield Target(f"two threads, of two processes, {number}", others("threads", number), 0.95, None)
    for name, row in MODELS.items():
        least, goal = (2, 3) if name in ("unet", "image") else (1.2, None)
        for number in ("f32", "bf16"):
            yield Target(f"{row.title}, {number}", model(name, number), least, goal)


def value(entry):
    """(how far, beside what) of one measurement, or None."""
    if entry["what"] == "gemm":
        shapes = [s for s in entry["shapes"] if s["ratio"]]
        worst = min(shapes, key=lambda s: s["ratio"]["median"]["fastest_over_tdc"], default=None)
        if worst is None:
            return None
        below = sum(s["ratio"]["median"]["fastest_over_tdc"] < 1 for s in shapes)
        return worst["ratio"]["median"]["fastest_over_tdc"], f"{worst['name']}; {below} of {len(shapes)} below 1"
    if entry["what"] == "threads":
        s = entry["speedup"]["median"]
        return s["threads"] / s["machine"], f"{s['threads']:.2f} of {s['machine']:.2f}"
    if not entry.get("ratio"):
        return None
    r = entry["ratio"]["median"]
    return r["fastest_over_tdc"], r["fastest"]


def reached(target, entries):
    """The least of all measurements of it: calls beside other peers are one row together."""
    found = [value(e) for e in entries if target.what(e)]
    return min((v for v in found if v is not None), default=None)


def show_targets(entries):
    """A line a target: asked for, measured, met or not. Nothing where nothing of it was measured,
    but their number."""
    rows = [(t, reached(t, entries)) for t in targets()]
    known = [(t, v) for t, v in rows if v is not None]
    if not known:
        return
    print("\ntargets: time (memory) of the fastest peer / tdc's, by the medians")
    print(f"  {'':46}{'target':>7} {'(goal)':>7}  measured")
    met = 0
    for t, (ratio, beside) in known:
        goal = f"({t.goal:g})" if t.goal else ""
        word = "goal met" if t.goal and ratio >= t.goal else "met" if ratio >= t.least else "NOT met"
        met += ratio >= t.least
        print(f"  {t.title:46}{t.least:7.2f} {goal:>7}  {ratio:8.2f}  {word:8}  {beside}")
    left = [t.title for t, v in rows if v is None]
    print(f"  {met} of {len(known)} met" + (f"; not measured: {len(left)}" if left else ""), flush=True)
