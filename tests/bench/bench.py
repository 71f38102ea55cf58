#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tdc beside PyTorch eager, torch.compile and JAX, turn by turn in one invocation.

    make bench                                       everything: hours
    make bench-quick                                 about a minute
    python3 tests/bench/bench.py --only step,sampler --batch 8 --threads 1 --peers eager,jax
    python3 tests/bench/bench.py --only models --models gpt,image -o cpu.json --append
    python3 tests/bench/bench.py --targets cpu.json

A round is one run of each side, the order rotating from round to round, the machine's
multiply-add peak measured before each turn. With one thread the figure is process CPU
time (a third of the wall clock may be stolen on a shared machine), with more it is wall
time. tests/bench/README.md says what each section is."""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from bench_models import MODELS
from bench_report import figures, has_tiles, machine, ratios, show, show_kernels, show_shapes, summary
from bench_run import HERE, PAUSE, ROOT, Failed, Group, Side, alternate, alternate_shapes, progress
from bench_sizes import FLAGSHIP
from bench_store import measured, save
from bench_targets import show_targets

SECTIONS = ["gemm", "step", "sampler", "models", "kernels", "threads", "first", "memory"]
QUICK_MODELS = ["gru", "image"]
PEERS = {"eager": "PyTorch eager", "compiled": "PyTorch compiled", "jax": "JAX jit"}
NEEDS = {"eager": "torch", "compiled": "torch", "jax": "jax"}
HOW = {"torch": "pip install torch", "jax": "pip install 'jax[cpu]'", "numpy": "pip install numpy"}
TEMPERATURE, TOP_K = 0.8, 10
TYPES = ["f32", "bf16", "split3", "split6"]  # split: f32 by products of parts on tiles
# the processor's tiles left alone, by oneDNN and by kernels of the next compilation
WITHOUT_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "TDC_CFLAGS": "-mno-amx-tile"}


def missing(module):
    """Why a module cannot be used, or None."""
    return None if importlib.util.find_spec(module) else f"not installed ({HOW[module]})"


class Bench:
    def __init__(self, o):
        self.o, self.entries, self.peaks, self.versions = o, [], [], {}
        self.temporary = tempfile.TemporaryDirectory(prefix="tdc_bench_")
        self.caches = os.path.abspath(o.cache) if o.cache else self.temporary.name
        self.deadline = time.monotonic() + o.limit if o.limit else None
        self.warmed = set()
        self.peak = Side("peak", [self.binary("bench_side"), "peak"], 1)
        self.peak.ask("peak")

    def close(self):
        self.peak.close()
        self.temporary.cleanup()

    def binary(self, name):
        return os.path.join(ROOT, self.o.build, "tests", name)

    # ---- sizes and command lines ----

    def size(self, base, batch):
        """The sizes of a model; -D changes those that it has."""
        own = {k: v for k, v in self.o.sizes.items() if k in base}
        return {**base, "B": self.o.sizes.get("B", batch), **own}

    def batches(self, given):
        return [self.o.sizes["B"]] if "B" in self.o.sizes else given

    def cache(self, cold):
        """Environment for compilers' caches: a folder of the invocation's, or an empty one.
        tdc's is the build's own, as its tests have it, except when cold."""
        folder = tempfile.mkdtemp(dir=self.temporary.name) if cold else self.caches
        path = {k: os.path.join(folder, k) for k in ("tdc", "inductor", "triton", "jax")}
        own = {"TDC_CACHE": path["tdc"]} if cold else {}
        return (own | WITHOUT_AMX if self.o.tiles and not self.o.amx else own) | {
            "TORCHINDUCTOR_CACHE_DIR": path["inductor"],
            "TRITON_CACHE_DIR": path["triton"],
            "JAX_COMPILATION_CACHE_DIR": path["jax"],
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def tdc(self, what, size, threads, number, budget=None):
        file, sampled, known = "models/shakespeare.td", what == "sample", ("V",)
        if what in MODELS:
            file, sampled, known = MODELS[what].file, MODELS[what].what == "sample", ("V", *MODELS[what].fixed)
        argv = [self.binary("bench_side"), "sample" if sampled else "step", file, str(threads), number]
        argv += ["--memory", str(budget * 1000000)] if budget else []
        argv += [f"{k}={v}" for k, v in size.items() if k not in known]
        if sampled and what != "gpt-sampler":  # that one has a turn for each place
            steps = self.o.sampler_steps
            argv += ["--", f"steps={steps}", f"temperature={TEMPERATURE}", f"top_k={TOP_K}"]
        elif sampled:
            argv += ["--", f"temperature={TEMPERATURE}", f"top_k={TOP_K}"]
        return argv

    def peer(self, kind, what, size, threads, kind_of_number):
        number = "f32" if kind_of_number.startswith("split") else kind_of_number
        spec = {"what": what, "mode": kind, "type": number, "threads": threads, "size": size}
        spec |= {"steps": self.o.sampler_steps, "temperature": TEMPERATURE, "top_k": TOP_K}
        spec["unroll"] = self.o.unroll
        file = "peers_jax.py" if kind == "jax" else "peers_torch.py"
        return [sys.executable, os.path.join(HERE, file), json.dumps(spec)]

    def ways(self, name, size, threads, number):
        """The same of a row of bench_models: each of PyTorch's ways, eager and compiled."""
        for kind in self.o.peers:
            for way in MODELS[name].ways:
                argv = self.peer(kind, name, size, threads, number)
                if kind == "jax" and name == "gru":  # the one that is written in JAX too
                    yield (PEERS[kind], argv, missing(NEEDS[kind]))
                if kind == "jax":
                    continue
                spec = json.loads(argv[-1]) | {"model": name, "way": way}
                argv = [argv[0], os.path.join(HERE, "peers_models.py"), json.dumps(spec)]
                yield (PEERS[kind] + (f", {way}" if way else ""), argv, missing(NEEDS[kind]))

    def commands(self, what, size, threads, number):
        """(name, argv or None, why not) of every side that was asked for."""
        yield ("tdc", self.tdc(what, size, threads, number), None)
        if self.o.budget and what == "step":
            yield (f"tdc in {self.o.budget} MB", self.tdc(what, size, threads, number, self.o.budget), None)
        if what in MODELS:
            yield from self.ways(what, size, threads, number)
            return
        for kind in self.o.peers:
            yield (PEERS[kind], self.peer(kind, what, size, threads, number), missing(NEEDS[kind]))

    # ---- one measurement ----

    def start(self, what, size, threads, number):
        group = Group()
        for name, argv, why in self.commands(what, size, threads, number):
            if why:
                group.absent[name] = why
            else:
                group.add(name, argv, threads, self.cache(False))
        return group

    def turns(self, what, size, threads, number, short, flops_of, notes=()):
        group = self.start(what, size, threads, number)
        short += "" if self.o.amx else ", without AMX"
        if self.o.prepare:
            self.prepared(group, short)
            return
        peaks = alternate(group, self.peak, self.o.rounds, self.o.warm, short, self.deadline)
        self.peaks += peaks
        clock = "cpu" if threads == 1 else "wall"
        entry = {"what": what, "size": size, "threads": threads, "type": number, "clock": clock}
        entry |= {"short": short, "absent": group.absent, "sides": {}, "notes": list(notes)}
        entry |= {"tiles": self.o.tiles, "amx": self.o.amx}
        entry["peak_flops"] = max(peaks, default=0) * threads if number == "f32" else None
        for side in group.sides:
            f = figures([row[clock] for row in side.rows])
            other = "wall" if clock == "cpu" else "cpu"
            f |= {f"{other}_each": [row[other] for row in side.rows], "about": side.about}
            f["peak_kilobytes"] = side.rows[-1]["peak_kilobytes"]
            if what != "sample" and not (what in MODELS and MODELS[what].what == "sample"):
                f["loss"] = [row["loss"] for row in side.warm_rows + side.rows]
            entry["sides"][side.name] = f
            if side.name == "tdc":
                entry["flops"] = flops_of(side.about)
            self.versions |= side.about.get("versions", {})
            self.warmed.add((what, side.name, size["B"], threads, number))
        group.close()
        self.check(entry)
        peak = entry["peak_flops"]
        rounds = max((f["rounds"] for f in entry["sides"].values()), default=0)
        entry["title"] = f"{short}: {clock} time, {rounds} rounds" + (
            f", multiply-add peak {peak / 1e9:.0f} GFLOP/s" if peak else ""
        )
        entry["ratio"] = ratios(entry["sides"])
        self.entries.append(entry)
        show(entry)

    def prepared(self, group, short):
        """One run of each side: what they compile is in the caches then."""
        for side in list(group.sides):
            progress(f"{short}: {side.name}")
            try:
                side.ask()
            except Failed as why:
                group.drop(side, why)
        progress("")
        print(f"{short}: prepared " + ", ".join(side.name for side in group.sides), flush=True)
        for name, why in group.absent.items():
            print(f"  {name:17} not available: {why}", flush=True)
        group.close()

    def check(self, entry):
        """The sides must be the same model, and learn."""
        weights = {name: f["about"]["weights"] for name, f in entry["sides"].items()}
        if len(set(weights.values())) > 1:
            entry["notes"].append(f"THE MODELS DIFFER IN SIZE: {weights}")
        entry["weights"] = weights
        for name, f in entry["sides"].items():
            loss = f.get("loss", [])
            third = len(loss) // 3
            if third >= 3 and not sum(loss[-third:]) < sum(loss[:third]):
                entry["notes"].append(f"the loss of {name} did not fall: {loss[0]:.4f} to {loss[-1]:.4f}")

    # ---- the sections ----

    def gemm(self):
        for number in self.o.types:
            if not number.startswith("split"):
                self.products(number)

    def products(self, number):
        group = Group()
        group.add("tdc", [self.binary("gemm_bench"), "serve", "half" if number == "bf16" else number], 1)
        if not group.sides:
            sys.exit(f"gemm_bench {group.absent['tdc']}")
        shapes = group.sides[0].about["shapes"]
        spec = json.dumps({"what": "gemm", "mode": "eager", "type": number, "threads": 1, "shapes": shapes})
        for name, module, file in (("PyTorch", "torch", "peers_torch.py"), ("NumPy", "numpy", "peers_numpy.py")):
            if module == "torch" and not any(NEEDS[k] == "torch" for k in self.o.peers):
                continue
            if missing(module) or (module == "numpy" and number == "bf16"):
                group.absent[name] = missing(module) or "has no bf16"
            else:
                group.add(name, [sys.executable, os.path.join(HERE, file), spec], 1)
        peaks = alternate_shapes(group, self.peak, shapes, self.o.rounds, self.deadline)
        self.peaks += peaks
        for s in shapes:
            s["sides"] = {x.name: figures([row["cpu"] for row in x.rows[s["name"]]]) for x in group.sides}
            s["ratio"] = ratios(s["sides"])
        for side in group.sides:
            self.versions |= side.about.get("versions", {})
        rounds = max((f["rounds"] for s in shapes for f in s["sides"].values()), default=0)
        title = (
            f"matrix products {number}, 1 thread: cpu time, {rounds} rounds, "
            f"multiply-add peak of f32 {max(peaks) / 1e9:.0f} GFLOP/s"
        )
        entry = {"what": "gemm", "short": f"matrix products, {number}", "type": number, "title": title, "shapes": shapes}
        entry["peak_flops"] = max(peaks) if number == "f32" else None
        entry |= {"names": [x.name for x in group.sides], "absent": group.absent}
        group.close()
        self.entries.append(entry)
        show_shapes(entry)

    def step(self):
        for number in self.o.types:
            for batch in self.batches(self.o.batch):
                for threads in self.o.threads:
                    size = self.size(FLAGSHIP, batch)
                    short = f"training step, batch {batch}, {plural(threads)}, {number}"
                    self.turns("step", size, threads, number, short, lambda about: about["flops"])

    def sampler(self):
        steps = self.o.sampler_steps
        for number in self.o.other_types:
            for batch in self.batches(self.o.sampler_batch):
                for threads in self.o.threads:
                    size = self.size(FLAGSHIP, batch)
                    short = f"sampler, {steps} of {size['T']} steps, batch {batch}, {plural(threads)}, {number}"
                    self.turns("sample", size, threads, number, short, lambda about: steps * about["flops"])

    def models(self):
        for name in self.o.models:
            row = MODELS[name]
            for number in self.o.other_types:
                size = self.size({"V": 65, **row.size, **row.fixed}, row.size["B"])
                short = f"{row.title}, batch {size['B']}, {plural(1)}, {number}"
                turns = size["L"] - 1 if name == "gpt-sampler" else self.o.sampler_steps
                times, notes = (turns if row.what == "sample" else 1), []
                if name in ("gru", "lstm") and "compiled" in self.o.peers and not self.o.unroll:
                    notes = [f"torch.compile leaves nn.{name.upper()} itself eager; --unroll-gru compiles it, in minutes"]
                self.turns(name, size, 1, number, short, lambda about, n=times: n * about["flops"], notes)
                if name == "gpt-sampler" and not self.o.prepare:
                    self.tokens_a_second(self.entries[-1], turns * size["B"])

    def tokens_a_second(self, entry, count):
        said = [f"{name} {count / f['median']:.0f}" for name, f in entry["sides"].items()]
        entry["notes"].append(f"tokens a second: {', '.join(said)}")
        print(f"  note: {entry['notes'][-1]}")

    def kernels(self):
        """Each fused kernel of the training step against its own limit: FLOPs or bytes, whichever takes longer."""
        batch = self.batches(self.o.batch)[0]
        text = os.path.join(self.temporary.name, "pattern.txt")
        with open(text, "w", encoding="ascii") as f:
            f.write("".join(chr(ord(" ") + (3 * i) % FLAGSHIP["V"]) for i in range(1 << 18)))
        for number in self.o.types:
            progress(f"kernels, {number}")
            argv = [os.path.join(ROOT, self.o.build, "tdc"), "profile", "models/shakespeare.td", "-D", f"B={batch}", "--data", text]
            argv += ["--act", number, "--threads", "1", "--rounds", str(self.o.rounds), "--kernels", "--json", "-q"]
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
            progress("")
            if done.returncode != 0:
                sys.exit(f"tdc profile: {done.stderr.strip()[-300:]}")
            entry = {"what": "kernels", "short": f"kernels, batch {batch}, 1 thread, {number}", "type": number}
            entry |= json.loads(done.stdout)
            self.entries.append(entry)
            show_kernels(entry)

    def threads(self):
        """tdc alone: a step on one thread, on more, and so many processes of one thread at once."""
        for number in self.o.types:
            for batch in self.batches(self.o.batch):
                for n in self.o.threads:
                    if n > 1:
                        self.scaling(batch, n, number)

    def scaling(self, batch, n, number):
        size = self.size(FLAGSHIP, batch)
        alone = [Side("one", self.tdc("step", size, 1, number), 1) for _ in range(n)]
        shared = Side("threads", self.tdc("step", size, n, number), n)
        took = {"1 thread": [], f"{n} threads": [], f"{n} processes": []}
        for r in range(-self.o.warm, self.o.rounds):
            progress(f"threads, batch {batch}, {number}: round {max(0, r + 1)} of {self.o.rounds}")
            time.sleep(PAUSE)
            one, all_of_one = alone[0].ask()["wall"], shared.ask()["wall"]
            for side in alone:
                side.tell("run")
            together = max(side.read()["wall"] for side in alone)
            if r >= 0:
                for key, wall in zip(took, (one, all_of_one, together)):
                    took[key].append(wall)
        progress("")
        for side in alone + [shared]:
            side.close()
        short = f"threads, batch {batch}, {number}"
        entry = {"what": "threads", "short": short, "size": size, "threads": n, "type": number, "clock": "wall"}
        entry |= {"sides": {name: figures(walls) for name, walls in took.items()}, "absent": {}}
        entry["title"] = f"{short}: wall time of a training step, {self.o.rounds} rounds"
        one, many, both = entry["sides"].values()
        entry["speedup"] = {k: {"threads": one[k] / many[k], "machine": n * one[k] / both[k]} for k in ("min", "median")}
        by = [f"{entry['speedup'][k]['threads']:.2f} of {entry['speedup'][k]['machine']:.2f}" for k in ("median", "min")]
        entry["notes"] = [f"{n} threads are {by[0]} times as fast ({by[1]} by the minima) as one: of what processes reach"]
        self.entries.append(entry)
        show(entry)

    def first(self):
        """From starting the process to the end of its first training step."""
        batch, threads = self.batches(self.o.batch)[0], max(self.o.threads)
        size = self.size(FLAGSHIP, batch)
        took, absent, caches = {"cold": {}, "warm": {}}, {}, {}
        for r in range(max(self.o.first_rounds, self.o.rounds)):
            sides = list(self.commands("step", size, threads, "f32"))
            for name, argv, why in sides[r % len(sides) :] + sides[: r % len(sides)]:
                if why or name in absent:
                    absent.setdefault(name, why)
                    continue
                for which in ("cold", "warm"):
                    if r >= (self.o.first_rounds if which == "cold" else self.o.rounds):
                        continue
                    progress(f"first step: {which}, {name}, round {r + 1}")
                    if which == "cold":
                        caches[name] = self.cache(True)
                    try:
                        side = Side(name, argv, threads, caches[name])
                        side.ask()
                    except Failed as failure:
                        absent[name] = str(failure)
                        break
                    took[which].setdefault(name, []).append(time.perf_counter() - side.begin)
                    self.versions |= side.about.get("versions", {})
                    side.close()
        progress("")
        for which, sides in took.items():
            rounds = self.o.first_rounds if which == "cold" else self.o.rounds
            entry = {"what": "first", "which": which, "size": size, "threads": threads, "clock": "wall"}
            entry["short"] = f"first step {which}, batch {batch}, {plural(threads)}, f32"
            entry["title"] = f"{entry['short']}: wall time from process start, {rounds} rounds"
            order = [name for name, _, _ in self.commands("step", size, threads, "f32") if name in sides]
            entry |= {"sides": {name: figures(sides[name]) for name in order}, "absent": absent}
            entry["ratio"] = ratios(entry["sides"])
            self.entries.append(entry)
            show(entry)

    def memory(self):
        """The most memory of a training process, its compiler's cache warm."""
        for number in self.o.types:
            for batch in self.batches(self.o.batch):
                self.most_memory(batch, number)

    def most_memory(self, batch, number):
        threads, size, used, absent = self.o.threads[0], self.size(FLAGSHIP, batch), {}, {}
        for name, argv, why in self.commands("step", size, threads, number):
            known = ("step", name, batch, threads, number) in self.warmed
            try:
                for k in range(0 if why else 1 if known else 2):
                    progress(f"memory: {name}, batch {batch}")
                    side = Side(name, argv, threads, self.cache(False))
                    used[name] = [side.ask()["peak_kilobytes"] for _ in range(1 if k + known == 0 else 3)][-1]
                    self.versions |= side.about.get("versions", {})
                    side.close()
            except Failed as failure:
                why = str(failure)
            if why:
                absent[name] = why
        progress("")
        short = f"peak memory, batch {batch}, {plural(threads)}, {number}"
        print(f"\n{short}: ru_maxrss after 3 steps, caches of compilers warm")
        for name, kilobytes in used.items():
            times = f"   {kilobytes / used['tdc']:.2f} of tdc" if "tdc" in used else ""
            print(f"  {name:17} {kilobytes / 1e6:8.3f} GB{times}")
        for name, why in absent.items():
            print(f"  {name:17} not available: {why}")
        sides = {name: {"min": k, "median": k} for name, k in used.items()}
        entry = {"what": "memory", "short": short, "size": size, "threads": threads, "type": number}
        entry |= {"kilobytes": used, "absent": absent, "ratio": ratios(sides)}
        self.entries.append(entry)


def plural(threads):
    return f"{threads} thread" + ("s" if threads > 1 else "")


def words(known):
    def read(text):
        out = [w for w in text.split(",") if w]
        for w in out:
            if w not in known:
                raise argparse.ArgumentTypeError(f"'{w}' is none of {', '.join(known)}")
        return out

    return read


def numbers(text):
    out = [int(w) for w in text.split(",")]
    if not out or min(out) < 1:
        raise argparse.ArgumentTypeError("positive numbers with commas between")
    return out


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", type=words(SECTIONS), default=SECTIONS, metavar="SECTION,...", help=", ".join(SECTIONS))
    p.add_argument("--peers", type=words(PEERS), default=list(PEERS), metavar="PEER,...", help=", ".join(PEERS))
    p.add_argument("--types", type=words(TYPES), default=TYPES[:2], metavar="TYPE,...", help=", ".join(TYPES))
    p.add_argument("--models", type=words(MODELS), default=list(MODELS), metavar="NAME,...", help=", ".join(MODELS))
    p.add_argument("--batch", type=numbers, metavar="N,...", help="of the flagship; 8,32 for steps, 1,8,32 for samplers")
    p.add_argument("--threads", type=numbers, default=[1, 2], metavar="N,...")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--limit", type=float, metavar="SECONDS", help="rounds, but for three, end when this is over")
    p.add_argument("--warm", type=int, default=2, help="rounds before those that count")
    p.add_argument("--first-rounds", type=int, default=3, help="rounds of cold first steps")
    p.add_argument("--sampler-steps", type=int, default=16, help="of the 128")
    p.add_argument("--budget", type=int, metavar="MB", help="steps once more, of a program that takes so much memory")
    p.add_argument("--unroll-gru", dest="unroll", action="store_true", help="torch.compile reaches into nn.GRU and nn.LSTM")
    p.add_argument("-D", dest="defines", action="append", default=[], metavar="NAME=VALUE", help="a size, on all sides")
    p.add_argument("--quick", action="store_true", help="steps, a sampler, two models against PyTorch eager, 3 rounds")
    p.add_argument("--build", default="build", help="the build folder")
    p.add_argument("--check", action="store_true", help="only tell whether the peers are installed")
    p.add_argument("--no-amx", dest="amx", action="store_false", help="leave the processor's tiles alone, on both sides")
    p.add_argument("--cache", metavar="FOLDER", help="what peers compile stays there for the next call")
    p.add_argument("--prepare", action="store_true", help="fill the caches by a run of each side, measure nothing")
    p.add_argument("-o", "--output", help="where the JSON goes")
    p.add_argument("--append", action="store_true", help="to what that holds; a row measured again replaces the old one")
    p.add_argument("--targets", nargs="+", metavar="FILE", help="only show what these files hold beside the targets")
    o = p.parse_args()
    if o.quick:
        o.only, o.peers, o.threads, o.models = ["step", "sampler", "models"], ["eager"], [1], QUICK_MODELS
        o.rounds, o.warm, o.sampler_steps = 3, 1, 4
    o.other_types = ["f32"] if o.quick else o.types  # of what is no training step of the flagship
    o.sampler_batch = o.batch or ([1] if o.quick else [1, 8, 32])
    o.batch = o.batch or ([8] if o.quick else [8, 32])
    if min(o.rounds, o.first_rounds, o.sampler_steps) < 1 or o.warm < 0:
        p.error("rounds and steps are positive numbers")
    if o.append and not o.output:
        p.error("--append wants a file: -o FILE")
    o.tiles = has_tiles()
    o.amx = o.amx and o.tiles
    o.sizes = {k: int(v) for k, v in (d.split("=") for d in o.defines)}
    return o


def main():
    o = options()
    if o.targets:
        entries = measured(o.targets)
        summary(entries)
        show_targets(entries)
        return
    for kind in o.peers:
        if NEEDS[kind] == "torch" and missing("torch"):
            sys.exit(f"PyTorch is missing for {sys.executable}. Run: {sys.executable} -m {HOW['torch']}")
        if missing(NEEDS[kind]):
            print(f"{PEERS[kind]} is absent: {missing(NEEDS[kind])}")
    if o.check:
        return
    if o.quick:
        print("quick: 3 rounds after one, PyTorch eager only: a look, not a figure to quote", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as ^C: what was measured is kept
    begin, bench = machine(), Bench(o)
    try:
        for section in SECTIONS:
            if section in o.only and (not o.prepare or section in ("step", "sampler", "models")):
                getattr(bench, section)()
    except KeyboardInterrupt:
        print("\nstopped; what was measured is kept")
    finally:
        bench.close()
    if not bench.entries:
        sys.exit(None if o.prepare else "nothing was measured")
    about = {"command": sys.argv, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": begin}
    about |= {"load_after": os.getloadavg(), "versions": bench.versions, "rounds": o.rounds}
    about["peaks_flops"] = figures(bench.peaks) if bench.peaks else None
    path = o.output or os.path.join(HERE, "results", time.strftime("bench-%Y%m%d-%H%M%S.json", time.gmtime()))
    entries = save(path, about, bench.entries, o.append)
    summary(entries)
    show_targets(entries)
    print(f"\n{os.path.relpath(path)}")


if __name__ == "__main__":
    main()
