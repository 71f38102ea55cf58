#!/usr/bin/env python3
"""The flagship's training step: tdc against PyTorch eager, turn by turn.

    make build/tests/step_bench
    python3 tests/bench/step_bench.py [--rounds 9] [--batch 8] [--threads 1] [-D NAME=VALUE]

Two processes wait in turns: a round is one step of each, the order changing from round
to round, with the machine's multiply-add peak measured between them. With one thread
the figure is process CPU time (a third of the wall clock may be stolen on a shared
machine), with several it is wall time; minimum and median are printed, and the spread
where it is above a quarter. A JSON goes to tests/bench/results/."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SIZES = {"B": 8, "L": 256, "V": 65, "D": 384, "H": 6, "F": 1536, "N": 6, "T": 128}
DROP, RATE = 0.1, 1e-4


# ---- the peer: a process of its own -------------------------------------------------------


def peer_model(size, torch):
    from torch import nn
    import torch.nn.functional as F

    d = size["D"]

    def sinusoid(positions):
        rate = torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(0, d, 2) / d)
        angle = positions[:, None] * rate
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
            self.before, self.between = nn.LayerNorm(d), nn.LayerNorm(d)
            self.mlp = nn.Sequential(nn.Linear(d, size["F"]), nn.GELU(), nn.Linear(size["F"], d))
            self.dropout = nn.Dropout(DROP)

        def forward(self, x, time_embedding):
            n = self.before(x + time_embedding[:, None])
            q, k, v = (
                t.unflatten(-1, (size["H"], -1)).transpose(1, 2) for t in self.qkv(n).chunk(3, -1)
            )
            a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
            g = x + self.dropout(self.out(a))
            return g + self.dropout(self.mlp(self.between(g)))

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.read, self.write = nn.Linear(size["V"], d), nn.Linear(d, size["V"])
            self.time = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d))
            self.layers, self.norm = nn.ModuleList(Layer() for _ in range(size["N"])), nn.LayerNorm(
                d
            )
            self.register_buffer("place", sinusoid(torch.arange(size["L"]).float()))
            self.register_buffer("steps", sinusoid(torch.arange(size["T"]).float()))
            self.register_buffer(
                "abar", torch.cumprod(1 - torch.linspace(1e-4, 0.02, size["T"]), 0)
            )

        def forward(self, x):
            t = torch.randint(size["T"], (size["B"],))
            e = torch.randn(size["B"], size["L"], size["V"])
            abar = self.abar[t][:, None, None]
            h = (
                self.read(abar.sqrt() * F.one_hot(x, size["V"]) + (1 - abar).sqrt() * e)
                + self.place
            )
            c = self.time(self.steps[t])
            for layer in self.layers:
                h = layer(h, c)
            return F.mse_loss(self.write(self.norm(h)), e)

    return Denoiser()


def peer(size, threads):
    import resource
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = peer_model(size, torch)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    weights = sum(p.numel() for p in model.parameters())
    print(json.dumps({"ready": True, "torch": torch.__version__, "weights": weights}), flush=True)
    for _ in sys.stdin:
        x = torch.randint(size["V"], (size["B"], size["L"]))
        cpu, wall = time.process_time(), time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(x)
        loss.backward()
        optimizer.step()
        value = loss.item()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            json.dumps({"cpu": cpu, "wall": wall, "loss": value, "peak_kilobytes": used}),
            flush=True,
        )


# ---- the turns ---------------------------------------------------------------------------------


class Side:
    def __init__(self, name, argv, threads):
        self.name, self.times, self.memory = name, [], 0
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
        )
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.read()

    def step(self, keep):
        row = self.ask("step")
        self.memory = row["peak_kilobytes"]
        if keep:
            self.times.append({"cpu": row["cpu"], "wall": row["wall"]})

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def first_line(argv):
    try:
        return (
            subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
            .stdout.strip()
            .split("\n")[0]
        )
    except OSError:
        return ""


def machine():
    about = {"system": platform.platform(), "cpus": os.cpu_count(), "load": os.getloadavg()}
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "flags", "Features"):
                about.setdefault(key.strip(), value.strip())
    return about


def figures(times, clock):
    values = [t[clock] for t in times]
    low, middle = min(values), statistics.median(values)
    return {
        "min": low,
        "median": middle,
        "max": max(values),
        "spread": (max(values) - low) / middle,
        "each": values,
    }


def show(name, f, flops, peak):
    text = f"{name:10} min {f['min']:.3f} s  median {f['median']:.3f} s"
    if flops:
        text += f"  {flops / f['min'] / 1e9:.0f} GFLOP/s = {100 * flops / f['min'] / peak:.0f}% of the peak"
    if f["spread"] > 0.25:
        text += f"  (spread {100 * f['spread']:.0f}%: the machine was busy)"
    print(text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=SIZES["B"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "-D",
        dest="defines",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another size, on both sides",
    )
    parser.add_argument("--build", default="build", help="the build folder")
    parser.add_argument("--alone", action="store_true", help="tdc without a peer")
    parser.add_argument("-o", "--output", help="where the JSON goes")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.peer:
        return peer(json.loads(o.peer), o.threads)
    size = {**SIZES, "B": o.batch, **{k: int(v) for k, v in (d.split("=") for d in o.defines)}}
    given = [f"{k}={size[k]}" for k in ("B", "L", "D", "H", "F", "N", "T")]
    begin = machine()
    sides = [
        Side(
            "tdc",
            [
                os.path.join(ROOT, o.build, "tests/step_bench"),
                "models/shakespeare.td",
                str(o.threads),
                *given,
            ],
            o.threads,
        )
    ]
    if not o.alone:
        sides.append(
            Side(
                "PyTorch",
                [
                    sys.executable,
                    os.path.abspath(__file__),
                    "--peer",
                    json.dumps(size),
                    "--threads",
                    str(o.threads),
                ],
                o.threads,
            )
        )
        if sides[0].about["weights"] != sides[1].about["weights"]:
            print("warning: the models differ in size:", *(s.about["weights"] for s in sides))
    peaks = []
    for k in range(o.rounds + 2):
        peaks.append(sides[0].ask("peak")["flops"])
        for side in sides if k % 2 == 0 else sides[::-1]:
            side.step(k >= 2)
        print(f"\rround {max(0, k - 1)} of {o.rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    clock, peak = ("cpu" if o.threads == 1 else "wall"), max(peaks) * o.threads
    flops = sides[0].about["flops"]
    result = {
        "what": "training step",
        "size": size,
        "threads": o.threads,
        "rounds": o.rounds,
        "clock": clock,
        "peak_flops": peak,
        "flops": flops,
        "machine": begin,
        "load_after": os.getloadavg(),
        "commit": first_line(["git", "rev-parse", "HEAD"]),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "sides": {},
    }
    print(
        f"{o.rounds} rounds, {clock} time, {o.threads} thread(s), multiply-add peak {peak / 1e9:.0f} GFLOP/s, {flops / 1e9:.0f} GFLOP a step"
    )
    for side in sides:
        side.close()
        f = figures(side.times, clock)
        result["sides"][side.name] = {**f, "about": side.about, "peak_kilobytes": side.memory}
        show(side.name, f, flops, peak)
    if len(sides) == 2:
        mine, theirs = (result["sides"][s.name] for s in sides)
        result["ratio"] = {k: theirs[k] / mine[k] for k in ("min", "median")}
        print(
            f"PyTorch / tdc: {result['ratio']['min']:.2f} (min), {result['ratio']['median']:.2f} (median)"
        )
    path = o.output or os.path.join(
        ROOT, "tests/bench/results", time.strftime("step-%Y%m%d-%H%M%S.json", time.gmtime())
    )
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(os.path.relpath(path))


if __name__ == "__main__":
    main()
