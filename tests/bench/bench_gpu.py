#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tdc on a GPU, beside PyTorch eager and torch.compile on the same GPU, turn by turn.

    make bench-gpu                  under ten minutes; REHEARSE=1: tiny, on the emulated device
    python3 tests/bench/bench_gpu.py --only step --batch 32 --types bf16 --rounds 15

What copies and a large product reach at most is measured first, in the same run. Each turn is
as many steps as take about a third of a second, with one wait at the end. What there was no
time for is named. tests/bench/README.md says what each section is."""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from bench_report import figures
from bench_run import HERE, ROOT, Failed, Group, progress
from bench_sizes import FLAGSHIP

TINY = {"L": 8, "V": 65, "D": 16, "H": 2, "F": 64, "N": 1, "T": 128}
PEERS = {"eager": "PyTorch eager", "compiled": "PyTorch compiled"}
SECTIONS = ["step", "sampler", "kernels"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--emulated", action="store_true", help="the emulated device, a tiny size")
    p.add_argument("--only", default=",".join(SECTIONS))
    p.add_argument("--batch", help="of training steps, 32,64")
    p.add_argument("--samples", help="batches of samplings, 1,8,64")
    p.add_argument("--types", default="bf16,f32", help="of training steps")
    p.add_argument("--peers", default="eager,compiled")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--minutes", type=float, default=9.0, help="what would begin later is left out")
    p.add_argument("-o", "--output", help="the JSON; else results/gpu-NAME.json, but not when emulated")
    o = p.parse_args()
    o.only, o.types, o.peers = o.only.split(","), o.types.split(","), [x for x in o.peers.split(",") if x]
    o.batch = [int(x) for x in (o.batch or ("2" if o.emulated else "32,64")).split(",")]
    o.samples = [int(x) for x in (o.samples or ("1,2" if o.emulated else "1,8,64")).split(",")]
    for word, known in [(o.only, SECTIONS), (o.types, ["bf16", "f32"]), (o.peers, list(PEERS))]:
        for x in word:
            if x not in known:
                p.error(f"'{x}' is none of {', '.join(known)}")
    if o.emulated:
        o.rounds = min(o.rounds, 2)
    return o


class Bench:
    def __init__(self, o):
        self.o, self.begin = o, time.perf_counter()
        self.base = TINY if o.emulated else FLAGSHIP
        self.folder = tempfile.TemporaryDirectory(prefix="tdc_gpu_")
        self.env = {f"{k}_CACHE_DIR": os.path.join(self.folder.name, k) for k in ("TORCHINDUCTOR", "TRITON")}
        if o.emulated:
            self.env["TDC_CUDA_LIBRARIES"] = os.path.join(ROOT, o.build, "tests", "cuda_emu")
        self.result = {"rows": [], "kernels": [], "left_out": []}

    def binary(self, name):
        return os.path.join(ROOT, self.o.build, "tests", name)

    def late(self, what):
        if time.perf_counter() - self.begin < 60 * self.o.minutes:
            return False
        self.result["left_out"].append(what)
        print(f"{what}: left out, no time")
        return True

    def peaks(self):
        argv = [self.binary("gpu_peaks")] + (["1000000", "64"] if self.o.emulated else [])
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **self.env})
        if done.returncode:
            print(f"there is no GPU to measure: {done.stderr.strip()}", file=sys.stderr)
            sys.exit(3 if done.returncode == 3 else 1)
        self.result |= json.loads(done.stdout) | {"emulated": self.o.emulated}
        r = self.result
        print(f"{r['gpu']}{' (emulated: no figure means anything)' if self.o.emulated else ''}: ", end="")
        print(f"a copy moves {r['bytes_per_second'] / 1e12:.3g} TB/s; products of {r['extent']}: ", end="")
        print(f"{r['bf16_flops'] / 1e12:.3g} TFLOP/s in bf16, {r['f32_flops'] / 1e12:.3g} in f32; ", end="")
        print(f"one of many tiny copies takes {1e6 * r['launch_seconds']:.3g} us", flush=True)

    def tdc(self, what, size, number):
        argv = [self.binary("bench_side"), what, "models/shakespeare.td", "cuda", number]
        argv += [f"{k}={v}" for k, v in size.items() if k not in ("V", "F")]
        if what == "sample":
            argv += ["--", f"steps={self.steps()}", "temperature=0.8", "top_k=10"]
        return argv

    def steps(self):
        return 4 if self.o.emulated else 128

    def start(self, what, size, number):
        """All sides, each with the time from its start to the end of its first run."""
        group, first = Group(), {}
        spec = {"what": what, "type": number, "size": size, "steps": self.steps(), "device": "cuda"}
        spec |= {"temperature": 0.8, "top_k": 10}
        cold = {"TDC_CACHE": tempfile.mkdtemp(dir=self.folder.name)}
        sides = [("tdc", self.tdc(what, size, number))]
        for kind in self.o.peers:
            if importlib.util.find_spec("torch") is None:
                group.absent[PEERS[kind]] = "PyTorch is not installed"
            elif self.o.emulated:
                group.absent[PEERS[kind]] = "of no use to an emulated GPU"
            else:
                file = os.path.join(HERE, "peers_gpu.py")
                sides.append((PEERS[kind], [sys.executable, file, json.dumps(spec | {"mode": kind})]))
        for name, argv in sides:
            begin = time.perf_counter()
            group.add(name, argv, 1, self.env | cold)
            side = group.sides[-1] if group.sides and group.sides[-1].name == name else None
            try:
                if side:
                    side.rows = [side.ask("run 1")]
                    first[name] = time.perf_counter() - begin
            except Failed as why:
                group.drop(side, why)
        return group, first

    def measure(self, what, size, number):
        title = f"{'training step' if what == 'step' else f'sampling of {self.steps()} steps'}, batch {size['B']}, {number}"
        if self.late(title):
            return
        group, first = self.start(what, size, number)
        times = {}
        for side in list(group.sides):  # warm: graphs are captured, clocks are up
            try:
                side.ask("run 3")
                times[side.name] = max(1, min(1000, int(0.3 / (side.ask("run 1")["wall"] + 1e-9))))
            except Failed as why:
                group.drop(side, why)
            side.rows = []
        for r in range(self.o.rounds):
            progress(f"{title}: round {r + 1} of {self.o.rounds}")
            turn = r % max(1, len(group.sides))
            for side in group.sides[turn:] + group.sides[:turn]:
                try:
                    side.rows.append(side.ask(f"run {times[side.name]}"))
                except Failed as why:
                    group.drop(side, why)
        progress("")
        row = {"what": what, "title": title, "size": size, "type": number, "absent": group.absent, "sides": {}}
        for side in group.sides:
            f = figures([x["wall"] / times[side.name] for x in side.rows])
            f |= {"times": times[side.name], "first": first[side.name], "loss": side.rows[-1]["loss"]}
            f["device_bytes"] = side.rows[-1].get("device_bytes", side.about.get("device_bytes"))
            row["sides"][side.name] = f | {"about": side.about}
        self.result["rows"].append(row)
        self.show(row)
        group.close()

    def show(self, row):
        print(f"\n{row['title']}", flush=True)
        for name, f in row["sides"].items():
            each = row["size"]["B"] if row["what"] == "sample" else 1
            unit = "samples/s" if row["what"] == "sample" else "steps/s"
            print(f"  {name:17} {1e3 * f['median']:9.3f} ms (best {1e3 * f['min']:.3f})  ", end="")
            print(f"{each / f['median']:9.4g} {unit}  {f['device_bytes'] / 1e6:8.0f} MB  first {f['first']:.1f} s")
        for name, why in row["absent"].items():
            print(f"  {name:17} not available: {why}")

    def floor(self, k, number):
        """Seconds that nothing can do a launch in, by this run's peaks, and what binds."""
        flops = self.result["f32_flops"]
        if number == "bf16" and k["class"] in ("product", "contraction", "chain"):
            flops = self.result["bf16_flops"]
        all_ = {"memory": k["bytes"] / self.result["bytes_per_second"], "arithmetic": k["flops"] / flops}
        all_["launch"] = self.result["launch_seconds"]
        binds = max(all_, key=all_.get)
        return all_[binds], binds

    def kernels(self, number):
        size = {**self.base, "B": self.o.batch[0]}
        title = f"kernels of a training step, batch {size['B']}, {number}"
        if self.late(title):
            return
        group = Group()
        group.add("tdc", self.tdc("step", size, number), 1, self.env)
        if not group.sides:
            self.result["left_out"].append(f"{title}: {group.absent['tdc']}")
            return
        side = group.sides[0]
        side.ask("run 3")
        rows = side.ask(f"kernels {2 if self.o.emulated else 10}")
        group.close()
        for k in rows:
            k["floor"], k["binds"] = self.floor(k, number)
            k["floor"] *= k["launches"]
        rows.sort(key=lambda k: -k["seconds"])
        total, floor = sum(k["seconds"] for k in rows), sum(k["floor"] for k in rows)
        self.result["kernels"].append({"title": title, "type": number, "seconds": total, "floor": floor, "each": rows})
        print(f"\n{title}: {1e3 * total:.3f} ms, the sum of floors is {1e3 * floor:.3f} ms")
        for k in rows[:15]:
            share = k["floor"] / k["seconds"] if k["seconds"] else 0
            print(f"  {1e3 * k['seconds']:9.4f} ms {100 * share:4.0f}% of its floor ({k['binds']})  ", end="")
            print(f"x{k['launches']:<4.0f} {k['class']:12} {k['name'][:40]:40} {k['where']}")

    def save(self):
        o = self.o
        name = re.sub(r"[^a-z0-9]+", "-", self.result["gpu"].lower()).strip("-")
        path = o.output or (None if o.emulated else os.path.join(HERE, "results", f"gpu-{name}.json"))
        git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
        self.result |= {"commit": git.stdout.strip(), "rounds": o.rounds, "seconds": time.perf_counter() - self.begin}
        if path:
            with open(path, "w") as f:
                json.dump(self.result, f, indent=1)
            print(f"\nwritten to {path}")


def main():
    bench = Bench(arguments())
    bench.peaks()
    o = bench.o
    for number in o.types if "step" in o.only else []:
        for batch in o.batch:
            bench.measure("step", {**bench.base, "B": batch}, number)
    for batch in o.samples if "sampler" in o.only else []:
        bench.measure("sample", {**bench.base, "B": batch}, "bf16")
    for number in o.types if "kernels" in o.only else []:
        bench.kernels(number)
    bench.save()
    return 0 if bench.result["rows"] or bench.result["kernels"] else 1


if __name__ == "__main__":
    sys.exit(main())
