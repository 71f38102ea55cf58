# SPDX-License-Identifier: MIT
"""The PyTorch side of bench.py, eager or compiled: the same model, the same draws, Adam.

    python3 peers_torch.py '{"what": "step", "mode": "eager", "type": "f32", "threads": 1, ...}'

Reads a line from stdin for every run and answers with one JSON object a line, as
bench_side does. `what`: step and sample are the flagship's, gemm multiplies matrices of given
shapes; other models are peers_models.py's."""

import contextlib
import json
import sys

import torch
import torch.nn.functional as F
from torch import nn

from bench_sizes import RATE, DROPOUT, ends, loop_values, tokens, serve


def small(module):
    """Weights as the .td draws them: normal(0, 0.02), biases 0."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, 0, 0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


# ---- the flagship ---------------------------------------------------------------------------


def sinusoid(positions, d):
    rate = torch.pow(10000.0, -torch.arange(0, d, 2) / d)
    angle = positions[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self, size):
        super().__init__()
        d, self.heads = size["D"], size["H"]
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.before, self.between = nn.LayerNorm(d), nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, size["F"]), nn.GELU(), nn.Linear(size["F"], d))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x, c):
        n = self.before(x + c[:, None])
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(n).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        g = x + self.dropout(self.out(a))
        return g + self.dropout(self.mlp(self.between(g)))


class Denoiser(nn.Module):
    """forward: the loss of a batch of symbols; eps: the noise seen in xt at times t."""

    def __init__(self, size):
        super().__init__()
        self.size, d = size, size["D"]
        self.read, self.write = nn.Linear(size["V"], d), nn.Linear(d, size["V"])
        self.time = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d))
        self.layers = nn.ModuleList(Layer(size) for _ in range(size["N"]))
        self.norm = nn.LayerNorm(d)
        self.register_buffer("place", sinusoid(torch.arange(size["L"]).float(), d))
        self.register_buffer("steps", sinusoid(torch.arange(size["T"]).float(), d))
        self.register_buffer("abar", torch.cumprod(1 - torch.linspace(*ends, size["T"]), 0))
        self.apply(small)

    def eps(self, xt, t):
        h, c = self.read(xt) + self.place, self.time(self.steps[t])
        for layer in self.layers:
            h = layer(h, c)
        return self.write(self.norm(h))

    def forward(self, x):
        s = self.size
        t = torch.randint(s["T"], (s["B"],), device=x.device)
        e = torch.randn(s["B"], s["L"], s["V"], device=x.device)
        abar = self.abar[t][:, None, None]
        xt = abar.sqrt() * F.one_hot(x, s["V"]) + (1 - abar).sqrt() * e
        return F.mse_loss(self.eps(xt, t).float(), e)


class Sampler:
    """The .td's sampler ddpm, `steps` turns of it."""

    def __init__(self, model, spec, cast):
        self.model, self.cast, self.size = model.eval(), cast, spec["size"]
        self.temperature, self.top_k = spec["temperature"], spec["top_k"]
        self.times = [(torch.tensor(t), torch.tensor(u)) for t, u in loop_values(self.size["T"], spec["steps"])]
        self.turn = torch.compile(self.once) if spec["mode"] == "compiled" else self.once

    def sharpen(self, x0):
        score = x0.clamp(1e-4, 1).log() / self.temperature
        if self.top_k:
            least = x0.topk(self.top_k).values[..., -1:]
            score = score.masked_fill(x0 < least, -torch.inf)
        return score.softmax(-1)

    def once(self, x, t, u):
        abar = self.model.abar
        last = u < 0
        signal, sigma = abar[t].sqrt(), (1 - abar[t]).sqrt()
        ratio = abar[t] / torch.where(last, 1.0, abar[u.clamp(min=0)])
        e = self.model.eps(x, t.expand(x.shape[0])).float()
        p = self.sharpen((x - sigma * e) / signal)
        eps = (x - signal * p) / sigma
        mean = (x - (1 - ratio) / sigma * eps) / ratio.sqrt()
        return mean + torch.where(last, 0.0, (1 - ratio).sqrt()) * torch.randn_like(x)

    @torch.no_grad()
    def run(self):
        s, final = self.size, self.model.abar[-1]
        x = final.sqrt() / s["V"] + (1 - final).sqrt() * torch.randn(s["B"], s["L"], s["V"])
        with self.cast():  # around all turns, so that weights are rounded once
            for t, u in self.times:
                x = self.turn(x, t, u)
        return x.argmax(-1).float().mean().item()


# ---- the recurrent language model -----------------------------------------------------------


class Recurrent(nn.Module):
    """Two GRU layers; of PyTorch's two biases the second stays 0, as the .td has one."""

    def __init__(self, size):
        super().__init__()
        self.table = nn.Embedding(size["V"], size["D"])
        self.gru = nn.GRU(size["D"], size["K"], num_layers=2, batch_first=True)
        self.write = nn.Linear(size["K"], size["V"])
        self.apply(small)
        for name, p in self.gru.named_parameters():
            if name.startswith("weight"):
                nn.init.normal_(p, 0, 0.2)
            else:
                nn.init.zeros_(p)
                p.requires_grad_(name.startswith("bias_ih"))

    def forward(self, x):
        z = self.write(self.gru(self.table(x[:, :-1]))[0])
        return F.cross_entropy(z.flatten(0, 1).float(), x[:, 1:].flatten())


# ---- what is asked for ------------------------------------------------------------------------


def autocast(spec):
    if spec["type"] == "bf16":
        return lambda: torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext


def training(spec):
    size, cast = spec["size"], autocast(spec)
    model = Denoiser(size)
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    loss_of = torch.compile(model) if spec["mode"] == "compiled" else model

    def prepare(step):
        return torch.tensor(tokens(size["B"], size["L"], size["V"], step))

    def run(x):
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = loss_of(x)
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, prepare, run


def sampling(spec):
    model = Denoiser(spec["size"])
    sampler = Sampler(model, spec, autocast(spec))
    return model, lambda step: None, lambda nothing: sampler.run()


def products(spec):
    """Requests name a shape and how often to multiply it."""
    made = {}
    number = torch.bfloat16 if spec["type"] == "bf16" else torch.float32
    for s in spec["shapes"]:
        a = torch.randn(s["batch"], *((s["k"], s["m"]) if s["a_turned"] else (s["m"], s["k"])), dtype=number)
        b = torch.randn(s["batch"], *((s["n"], s["k"]) if s["b_turned"] else (s["k"], s["n"])), dtype=number)
        a, b = (a.mT if s["a_turned"] else a), (b.mT if s["b_turned"] else b)
        if s["batch"] == 1:
            a, b = a[0], b[0]
        made[s["name"]] = (a, b, torch.empty(a.shape[:-1] + b.shape[-1:], dtype=number))

    def run(request):
        name, times = request
        a, b, out = made[name]
        for _ in range(times):
            torch.matmul(a, b, out=out)
        return float(out.flatten()[0])

    return None, None, run


def main():
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    make = {"step": training, "sample": sampling, "gemm": products}[spec["what"]]
    model, prepare, run = make(spec)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad) if model else 0
    about = {"versions": {"torch": torch.__version__}, "weights": weights, "threads": torch.get_num_threads()}
    with torch.no_grad() if spec["what"] == "gemm" else contextlib.nullcontext():
        serve(about, prepare, run)


if __name__ == "__main__":
    main()
