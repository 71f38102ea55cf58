# SPDX-License-Identifier: MIT
"""The PyTorch side of bench_gpu.py, eager or compiled: peers_torch.py's models on the GPU.

    python3 peers_gpu.py '{"what": "step", "mode": "eager", "type": "bf16", "device": "cuda", ...}'

A line "run N" on stdin is N training steps or samplings, one after another, with one wait at
their end, as bench_side does it; the answer is one JSON object. Adam is fused, attention and
top-k are PyTorch's own, a compiled sampler's turns are CUDA graphs (reduce-overhead). f32 is
f32: TF32 stays off, as it is in tdc."""

import contextlib
import json
import sys
import time

import torch

from bench_sizes import RATE, tokens
from peers_torch import Denoiser, Sampler


class GpuSampler(Sampler):
    """Turns leave their result in a graph's own memory, where the next one would overwrite it."""

    def __init__(self, model, spec, cast):
        super().__init__(model, spec | {"mode": "eager"}, cast)
        if spec["mode"] == "compiled":
            turn = torch.compile(self.once, mode="reduce-overhead" if spec["device"] == "cuda" else None)
            self.turn = lambda x, t, u: turn(x, t, u).clone()


def training(spec, cast):
    size = spec["size"]
    model = Denoiser(size)
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    loss_of = torch.compile(model) if spec["mode"] == "compiled" else model
    windows = [torch.tensor(tokens(size["B"], size["L"], size["V"], step)) for step in range(16)]

    def one(step):
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = loss_of(windows[step % 16])
        loss.backward()
        optimizer.step()
        return loss

    return model, one


def sampling(spec, cast):
    model = Denoiser(spec["size"])
    sampler = GpuSampler(model, spec, cast)
    return model, lambda step: torch.tensor(sampler.run())


def main():
    spec = json.loads(sys.argv[1])
    device, cuda = spec["device"], spec["device"] == "cuda"
    torch.set_default_device(device)
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    cast = contextlib.nullcontext
    if spec["type"] == "bf16":
        cast = lambda: torch.autocast(device, torch.bfloat16)  # noqa: E731
    model, one = (training if spec["what"] == "step" else sampling)(spec, cast)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    about = {"ready": True, "weights": weights, "gpu": name, "versions": {"torch": torch.__version__}}
    print(json.dumps(about), flush=True)
    step = 0
    for line in sys.stdin:
        times = int((line.split() + ["1"])[1])
        begin = time.perf_counter()
        for _ in range(times):
            step += 1
            loss = one(step)
        loss = loss.item()
        row = {"wall": time.perf_counter() - begin, "loss": loss}
        row["device_bytes"] = torch.cuda.max_memory_allocated() if cuda else 0
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
