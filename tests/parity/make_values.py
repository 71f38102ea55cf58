#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Remakes tests/parity/values/*.json: losses, gradients and trained weights of each
model, computed by PyTorch in double precision. See README.md."""

import json
import math
import os
import sys

import numpy as np
import torch

import draws as random
import models

SEED, STEPS, SAMPLES, PROJECTIONS = 11, 3, 64, 2

TEXT = "tests/models/verse.txt"  # only its number of symbols matters
HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "../..", TEXT), encoding="utf-8") as text:
    V = len(set(text.read()))
SMALL = {"V": V, "scale": 0.5}


def small(name, config, lr, optimizer="adam", model=None, folder="tests/models", **more):
    """FOLDER/NAME.td, with the loss and the shapes of models.py that bear its name or `model`."""
    model = model or name
    return dict(
        file=f"{folder}/{name}.td",
        shapes=getattr(models, model + "_shapes"),
        loss=getattr(models, model),
        config={**config, **SMALL},
        optimizer=optimizer,
        lr=lambda step: lr,
        **more,
    )


def recurrent(name, gates, layer):
    return dict(
        file=f"models/{name}.td",
        shapes=models.recurrent_shapes(gates),
        loss=models.recurrent(layer),
        config={"B": 4, "L": 24, "D": 16, "K": 24, **SMALL},
        next=True,
        optimizer="adam",
        clip=1.0,
        lr=lambda step: 2e-3 * step / 100,
    )


CASES = {
    # name: file, -D, what the .td says, shapes, loss, optimizer
    "flagship_nano": dict(
        file="models/shakespeare_nano.td",
        define={"B": 2, "L": 32},
        shapes=models.flagship_shapes,
        loss=models.flagship,
        config={"V": V, "D": 128, "H": 4, "F": 512, "N": 4, "T": 128, "drop": 0.1, "scale": 0.125},
        optimizer="adam",
        clip=1.0,
        lr=lambda step: 1e-3 * min(1, step / 200),
    ),
    "flagship_wide": dict(
        file="models/shakespeare.td",
        define={"B": 1, "L": 8, "N": 2},
        shapes=models.flagship_shapes,
        loss=models.flagship,
        config={"V": V, "D": 384, "H": 6, "F": 1536, "T": 128, "drop": 0.1, "scale": 0.0625},
        optimizer="adam",
        lr=lambda step: 1e-4,
    ),
    "causal": small(
        "causal",
        {"B": 4, "L": 24, "D": 32, "H": 2, "N": 2},
        0.01,
        "adamw",
        next=True,
        clip=1.0,
    ),
    "gru_lm": small("gru_lm", {"B": 4, "L": 24, "D": 16, "K": 24}, 0.01, model="gru", next=True),
    "lstm_lm": small(
        "lstm_lm",
        {"B": 4, "L": 24, "K": 16, "N": 2},
        0.5,
        "sgd",
        model="lstm",
        next=True,
        clip=1.0,
    ),
    "gru_lm_nano": recurrent("gru_lm_nano", 3, torch.nn.GRU),
    "lstm_lm_nano": recurrent("lstm_lm_nano", 4, torch.nn.LSTM),
    "diffusion_lm_nano": small(
        "diffusion_lm_nano",
        {"B": 4, "L": 12, "D": 16, "K": 24, "T": 8},
        1e-3,
        model="diffusion_lm",
        folder="models",
    ),
    "absorbing": small("absorbing", {"B": 4, "L": 24, "D": 32, "H": 2, "N": 2}, 0.01),
    "uniform": small("uniform", {"B": 4, "L": 16, "D": 24, "T": 12}, 0.01),
    "conv_unet": small("conv_unet", {"B": 4, "L": 16, "D": 16, "T": 16}, 0.01),
    "conv_steps": small("conv_steps", {"B": 4, "L": 32, "W": 2, "D": 32}, 0.01, next=True),
    "latent": small("latent", {"B": 4, "L": 16, "D": 24, "Z": 8, "C": 6}, 0.01),
    "learned_schedule": small("learned_schedule", {"B": 4, "L": 16, "D": 16, "T": 12}, 0.02),
}


def decays(name):
    return name.split(".")[-1] not in ("b", "bias", "gain")


def optimizer_of(case, p):
    lr = case["lr"](1)
    if case["optimizer"] == "adam":
        return torch.optim.Adam(p.values(), lr)
    if case["optimizer"] == "sgd":
        return torch.optim.SGD(p.values(), lr, momentum=0.9)
    groups = [
        {"params": [w for k, w in p.items() if decays(k) == yes], "weight_decay": 0.1 * yes}
        for yes in (True, False)
    ]
    return torch.optim.AdamW(groups, lr, (0.9, 0.99))


def summary(name, tensor):
    """What is kept of a tensor: its norm, its sum, its products with random signs (which a
    wrong place anywhere changes), and numbers at sampled places."""
    flat = tensor.detach().numpy().reshape(-1)
    signs = [
        np.where(random.uniform(SEED, k, "parity:sign:" + name, flat.shape) < 0.5, -1.0, 1.0)
        for k in range(PROJECTIONS)
    ]
    at = np.arange(flat.size)
    if flat.size > SAMPLES:
        at = np.unique(
            random.below(flat.size, random.uniform(SEED, 0, "parity:at:" + name, (SAMPLES,)))
        )
    return {
        "norm": math.sqrt(math.fsum(flat * flat)),
        "sum": math.fsum(flat),
        "signed": [math.fsum(flat * s) for s in signs],
        "at": at.tolist(),
        "value": flat[at].tolist(),
    }


def make(name, case):
    c = {**case["config"], **case.get("define", {})}
    shapes = case["shapes"](c)
    p = {
        k: torch.from_numpy(random.weights(SEED, k, s, c["scale"])).requires_grad_()
        for k, s in shapes.items()
    }
    first = {k: w.detach().clone() for k, w in p.items()}
    optimizer = optimizer_of(case, p)
    losses, gradients = [], {}
    for step in range(1, STEPS + 1):
        x = torch.from_numpy(
            random.tokens(SEED, step, c["V"], (c["B"], c["L"] + case.get("next", False)))
        )
        for group in optimizer.param_groups:
            group["lr"] = case["lr"](step)
        optimizer.zero_grad()
        loss = case["loss"](c, p, x, models.Draws(SEED, step))
        loss.backward()
        if step == 1:
            gradients = {k: summary(k, w.grad) for k, w in p.items()}
        losses.append(loss.item())
        if "clip" in case:
            torch.nn.utils.clip_grad_norm_(p.values(), case["clip"])
        optimizer.step()
    trained = {k: summary(k, w - first[k]) for k, w in p.items()}
    head = {
        "file": case["file"],
        "text": TEXT,
        "define": {k: str(v) for k, v in case.get("define", {}).items()},
        "seed": SEED,
        "scale": c["scale"],
        "made_with": "torch " + torch.__version__,
        "loss": losses,
    }
    return head, {k: list(s) for k, s in shapes.items()}, gradients, trained


def write(path, head, shapes, gradients, trained):
    rows = [
        f'"{k}": {{"shape": {json.dumps(s)},\n  "gradient": {json.dumps(gradients[k])},\n  "moved": {json.dumps(trained[k])}}}'
        for k, s in shapes.items()
    ]
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps(head)[:-1] + ',\n"tensors": {\n' + ",\n".join(rows) + "\n}}\n")


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    os.makedirs(os.path.join(HERE, "values"), exist_ok=True)
    for name in sys.argv[1:] or CASES:
        made = make(name, CASES[name])
        write(os.path.join(HERE, "values", name + ".json"), *made)
        print(name, *made[0]["loss"])


if __name__ == "__main__":
    main()
