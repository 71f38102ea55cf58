# SPDX-License-Identifier: MIT
"""Figures from rounds, tables of them, and what is known of the machine."""

import os
import platform
import statistics
import subprocess

from bench_run import ROOT

SPREAD = 0.25  # a figure whose rounds spread by more is printed with its spread


def figures(values):
    low, middle = min(values), statistics.median(values)
    return {
        "min": low,
        "median": middle,
        "max": max(values),
        "spread": (max(values) - low) / middle,
        "rounds": len(values),
        "each": values,
    }


def ratios(sides, mine="tdc", eager="PyTorch eager"):
    """How many times longer the fastest peer and PyTorch eager take: by minimum and by median."""
    peers = {name: f for name, f in sides.items() if not name.startswith(mine)}
    if mine not in sides or not peers:
        return {}
    out = {}
    for key in ("min", "median"):
        fastest = min(peers, key=lambda name: peers[name][key])
        out[key] = {"fastest": fastest, "fastest_over_tdc": peers[fastest][key] / sides[mine][key]}
        eagers = [f[key] for name, f in peers.items() if name.startswith(eager)]
        if eagers:
            out[key]["eager_over_tdc"] = min(eagers) / sides[mine][key]
    return out


def duration(seconds):
    if seconds >= 0.1:
        return f"{seconds:.3f} s"
    return f"{seconds * 1e3:.3f} ms"


def ratio_line(result):
    if not result:
        return None
    text = []
    for key in ("min", "median"):
        r = result[key]
        text.append(f"{key}: {r['fastest']} / tdc {r['fastest_over_tdc']:.2f}")
        if "eager_over_tdc" in r and not r["fastest"].startswith("PyTorch eager"):
            text[-1] += f", eager / tdc {r['eager_over_tdc']:.2f}"
    return "; ".join(text)


def show_row(name, f, flops, peak):
    text = f"  {name:29} min {duration(f['min']):>10}   median {duration(f['median']):>10}"
    if flops:
        share = f"  ({100 * flops / f['min'] / peak:3.0f}% of peak)" if peak else ""
        text += f"   {flops / f['min'] / 1e9:6.1f} GFLOP/s{share}"
    if f.get("loss"):
        text += f"   loss {f['loss'][0]:.3f} to {f['loss'][-1]:.3f}"
    if f["spread"] > SPREAD:
        text += f"   (spread {100 * f['spread']:.0f}%: the machine was busy)"
    print(text)


def show(entry):
    """One measurement: title, a row a side, the absent, ratios."""
    print(f"\n{entry['title']}", flush=True)
    for name, f in entry["sides"].items():
        show_row(name, f, entry.get("flops"), entry.get("peak_flops"))
    for name, why in entry["absent"].items():
        print(f"  {name:29} not available: {why}")
    for text in entry.get("notes", []):
        print(f"  note: {text}")
    line = ratio_line(entry.get("ratio"))
    if line:
        print(f"  ratio, {line}", flush=True)


def show_shapes(entry):
    """The products: GFLOP/s at the minimum and the median, share of the peak."""
    names, peak = entry["names"], entry["peak_flops"]
    print(f"\n{entry['title']}")
    print(f"  {'shape':11}{'batch':>5}{'m':>6}{'n':>6}{'k':>6}", *(f"{n:>26}" for n in names), "  peer/tdc")
    for s in entry["shapes"]:
        flops = 2 * s["batch"] * s["m"] * s["n"] * s["k"]
        text = f"  {s['name']:11}{s['batch']:5}{s['m']:6}{s['n']:6}{s['k']:6}"
        for name in names:
            f = s["sides"].get(name)
            if f is None:
                text += f" {'-':>26}"
                continue
            best, middle = flops / f["min"] / 1e9, flops / f["median"] / 1e9
            wide = f" ~{100 * f['spread']:.0f}%" if f["spread"] > SPREAD else ""
            share = f" ({1e11 * best / peak:.0f}%)" if peak else ""
            cell = f"{best:.0f}/{middle:.0f}{share}{wide}"
            text += f" {cell:>26}"
        r = s["ratio"]
        print(text + (f"  {r['min']['fastest_over_tdc']:.2f}/{r['median']['fastest_over_tdc']:.2f}" if r else ""))
    for name, why in entry["absent"].items():
        print(f"  {name:29} not available: {why}")
    print(
        "  GFLOP/s at the minimum/median (f32: share of the peak at the minimum), ~ spread over 25%;"
        "\n  peer/tdc: time of the fastest peer by tdc's, at the minimum/median",
        flush=True,
    )


def show_kernels(entry):
    """The kernels that take the most, each with its rates and its share of the nearer limit."""
    peak, moved, total = entry["peak_flops"], entry["peak_bytes"], entry["seconds"]
    print(f"\n{entry['short']}: {duration(total)} a step; limits {peak / 1e9:.0f} GFLOP/s (f32), {moved / 1e9:.1f} GB/s")
    for k in [k for k in entry["kernels"] if k["seconds"] > total / 200]:
        share, rates = 100 * k["seconds"] / total, f"{k['flops'] / 1e9:7.1f} GFLOP/s {k['bytes'] / 1e9:6.1f} GB/s"
        print(f"  {k['kernel']:50} {share:5.1f}% {rates}  {100 * k['limit']:4.0f}% of its limit")


def summary(entries):
    print("\nsummary: time of the peer / time of tdc (over 1: tdc is faster), median (minimum)")
    print(f"  {'':58}{'fastest peer':>42}   {'PyTorch eager':>14}")
    for entry in entries:
        r = entry.get("ratio")
        if entry["what"] in ("gemm", "kernels", "threads"):
            continue
        if not r:
            print(f"  {entry['short']:58}{'no ratio: ' + ', '.join(entry['absent'] or ['no peer']):>42}")
            continue
        a, b = r["median"], r["min"]
        fastest = f"{a['fastest']} {a['fastest_over_tdc']:.2f} ({b['fastest_over_tdc']:.2f})"
        eager = ""
        if "eager_over_tdc" in a:
            eager = f"{a['eager_over_tdc']:.2f} ({b['eager_over_tdc']:.2f})"
        print(f"  {entry['short']:58}{fastest:>42}   {eager:>14}")


# ---- the machine ---------------------------------------------------------------------------------


def first_line(argv):
    try:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip().split("\n")[0]


def machine():
    about = {"system": platform.platform(), "cpus": os.cpu_count(), "load": os.getloadavg()}
    about["python"] = platform.python_version()
    about["compiler"] = first_line(["cc", "--version"])
    about["commit"] = first_line(["git", "rev-parse", "HEAD"])
    about["environment"] = {k: os.environ[k] for k in ("ONEDNN_MAX_CPU_ISA", "TDC_CFLAGS", "CC", "TDC_CC") if k in os.environ}
    about["changed_files"] = bool(first_line(["git", "status", "--porcelain", "-uno", "--", ".", ":!tests/bench/results"]))
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "flags", "Features"):
                    about.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    return about


def has_tiles():
    """Does this processor have tiles (AMX)?"""
    return "amx_tile" in machine().get("flags", "").split()
