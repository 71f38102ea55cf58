# SPDX-License-Identifier: MIT
"""The rows of bench.py's section `models`: which file, at which size, beside which ways of PyTorch.

`size` is what all sides get, `fixed` what the .td has as a number of its own and a peer must be
told. `ways` are ways of PyTorch to do what has no single fastest one. peers_models.py has the
models."""

from collections import namedtuple

Row = namedtuple("Row", "title what file size fixed ways")


def row(title, file, size, fixed=None, ways=("",), what="step"):
    return Row(title, what, file, size, fixed or {}, ways)


ATTENTION = {"D": 192, "H": 6}
MODELS = {
    "gru": row("GRU, 2 x 256", "tests/models/gru_lm.td", {"B": 32, "L": 64, "D": 256, "K": 256}),
    "lstm": row("LSTM, 2 x 256", "models/lstm_lm.td", {"B": 32, "L": 64, "D": 256, "K": 256}),
    "selective": row(
        "selective scan (Mamba), 2 x 128",
        "tests/bench/models/selective.td",
        {"B": 16, "L": 128, "D": 128, "S": 16, "R": 8},
        {"K": 4, "N": 2},
    ),
    "experts": row(
        "mixture of 8 experts", "tests/bench/models/experts.td", {"B": 16, "L": 128, **ATTENTION, "F": 768, "X": 8}, {"N": 2}
    ),
    "unet": row("1-D U-Net", "tests/models/conv_unet.td", {"B": 32, "L": 256, "D": 128}, {"T": 16}),
    "image": row("2-D convolutions, 32 x 32", "tests/bench/models/image.td", {"B": 8, "L": 1024, "W": 32, "C": 32}),
    "window": row(
        "attention over 64 of 1024",
        "tests/bench/models/window.td",
        {"B": 4, "L": 1024, "W": 64, **ATTENTION},
        {"F": 768, "N": 2},
        ("blocks", "mask"),
    ),
    "gpt": row("GPT", "models/gpt.td", {"B": 32}, {"L": 128, **ATTENTION, "F": 768, "N": 4}),
    "gpt-sampler": row(
        "GPT, cached sampler", "models/gpt.td", {"B": 1}, {"L": 128, **ATTENTION, "F": 768, "N": 4}, what="sample"
    ),
    "mask": row("masked diffusion", "models/mask.td", {"B": 32}, {"L": 128, **ATTENTION, "F": 768, "N": 4, "W": 5}),
    "mask-sampler": row(
        "masked diffusion's sampler",
        "models/mask.td",
        {"B": 8},
        {"L": 128, **ATTENTION, "F": 768, "N": 4, "W": 5},
        what="sample",
    ),
}
