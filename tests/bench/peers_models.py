# SPDX-License-Identifier: MIT
"""The PyTorch side of bench.py's section `models`, eager or compiled: bench_models.py's table.

    python3 peers_models.py '{"model": "gpt", "way": "", "mode": "eager", "type": "f32", "threads": 1, "size": {...}}'

Reads a line from stdin for every run and answers with one JSON object a line. Each model is the
.td's: the same weights, draws, optimizer, schedule of its rate, bound of gradients, average of
weights. Where PyTorch has something made for it, that is taken: nn.GRU and nn.LSTM, convolutions
in channels_last, scaled_dot_product_attention, a product of all experts at once, a cache of keys
and values of which as much is read as is filled."""

import contextlib
import json
import math
import sys

import torch
import torch.nn.functional as F
from torch import nn

from bench_sizes import GRU_RATE, loop_values, serve, tokens
from peers_torch import Recurrent, autocast, sinusoid


def weight(*shape, std=0.02):
    return nn.Parameter(torch.randn(shape) * std)


def product(d, o, std):
    """x W without a bias."""
    layer = nn.Linear(d, o, bias=False)
    nn.init.normal_(layer.weight, 0, std)
    return layer


def write(d, v):
    layer = nn.Linear(d, v)
    nn.init.normal_(layer.weight, 0, 0.02)
    nn.init.zeros_(layer.bias)
    return layer


def heads(x, h):
    """[b, l, h e] to [b, h, l, e]."""
    return x.unflatten(-1, (h, -1)).transpose(1, 2)


def next_nll(z, x):
    return F.cross_entropy(z.flatten(0, 1).float(), x[:, 1:].flatten())


def chosen(z, temperature, top_k):
    """Logits to draw a symbol from."""
    if top_k:
        z = z.masked_fill(z < z.topk(top_k).values[..., -1:], -torch.inf)
    return z / temperature


def draw(score):
    """Of e^score / their sum, by exponential draws."""
    return (score.softmax(-1) / torch.empty_like(score).exponential_()).argmax(-1)


# ---- recurrence ---------------------------------------------------------------------------------


class Lstm(nn.Module):
    """models/lstm_lm.td: of PyTorch's two biases the second stays 0; the forget gate's begins at 1."""

    def __init__(self, size, mode, way):
        super().__init__()
        d, k = size["D"], size["K"]
        self.table = nn.Embedding(size["V"], d)
        nn.init.normal_(self.table.weight, 0, 0.02)
        self.lstm = nn.LSTM(d, k, num_layers=2, batch_first=True)
        self.write = write(k, size["V"])
        for name, p in self.lstm.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(p)
                p.requires_grad_(name.startswith("bias_ih"))
                with torch.no_grad():
                    p[k : 2 * k] = float(p.requires_grad)

    def forward(self, x):
        return next_nll(self.write(self.lstm(self.table(x[:, :-1]))[0]), x)


class Mamba(nn.Module):
    """tests/bench/models/selective.td's block. The scan is a loop over time, which torch.compile
    unrolls; torch's associative_scan, compiled, takes 2.5 times as long."""

    def __init__(self, size):
        super().__init__()
        d, s, r, k = size["D"], size["S"], size["R"], size["K"]
        i = 2 * d
        self.sizes = (s, r, k)
        self.norm = nn.RMSNorm(d, 1e-6)
        self.into = product(d, 2 * i, 1 / math.sqrt(d))
        self.taps = weight(i, 1, k, std=0.5)
        self.c = nn.Parameter(torch.zeros(i))
        self.select = product(i, r + 2 * s, 1 / math.sqrt(i))
        self.step = nn.Linear(r, i)
        nn.init.normal_(self.step.weight, 0, 1 / math.sqrt(r))
        nn.init.constant_(self.step.bias, -3)
        self.rate = nn.Parameter(torch.arange(1, s + 1).float().log().repeat(i, 1))
        self.past = nn.Parameter(torch.ones(i))
        self.back = product(i, d, 1 / math.sqrt(i))

    def forward(self, x):
        s, r, k = self.sizes
        a, z = self.into(self.norm(x)).chunk(2, -1)
        u = F.conv1d(F.pad(a.transpose(1, 2), (k - 1, 0)), self.taps, self.c, groups=a.shape[-1])
        u = F.silu(u.transpose(1, 2))
        low, into, out = self.select(u).split((r, s, s), -1)
        step = F.softplus(self.step(low)).float()
        fade = torch.exp(-step[..., None] * self.rate.exp())
        more = (step * u)[..., None] * into[:, :, None].float()
        h = self.scan(fade, more)
        v = (h @ out[..., None].float())[..., 0]
        return x + self.back((v + self.past * u) * F.silu(z))

    def scan(self, fade, more):
        """h[t] = fade[t] h[t-1] + more[t] over axis 1 of [b, t, i, s]."""
        h, all_ = torch.zeros_like(more[:, 0]), []
        for f, m in zip(fade.unbind(1), more.unbind(1)):
            h = torch.addcmul(m, f, h)
            all_.append(h)
        return torch.stack(all_, 1)


class Selective(nn.Module):
    def __init__(self, size, mode, way):
        super().__init__()
        self.symbol = weight(size["V"], size["D"], std=1)
        self.layers = nn.ModuleList(Mamba(size) for _ in range(size["N"]))
        self.norm, self.write = nn.RMSNorm(size["D"], 1e-6), write(size["D"], size["V"])

    def forward(self, x):
        h = F.embedding(x[:, :-1], self.symbol)
        for layer in self.layers:
            h = layer(h)
        return next_nll(self.write(self.norm(h)), x)


# ---- experts --------------------------------------------------------------------------------------


class Experts(nn.Module):
    """tests/bench/models/experts.td's layer: attention, then one expert for each symbol, all experts' products at once."""

    def __init__(self, size):
        super().__init__()
        d, f, self.x = size["D"], size["F"], size["X"]
        self.h, self.places = size["H"], 3 * size["L"] // (2 * size["X"])
        s = 1 / math.sqrt(d)
        self.before, self.between = nn.RMSNorm(d, 1e-6), nn.RMSNorm(d, 1e-6)
        self.qkv, self.out = product(d, 3 * d, s), product(d, d, s)
        self.route = product(d, self.x, s)
        self.w1, self.w2 = weight(self.x, d, f, std=s), weight(self.x, f, d, std=1 / math.sqrt(f))

    def forward(self, x):
        b, l, d = x.shape
        q, k, v = (heads(t, self.h) for t in self.qkv(self.before(x)).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
        x = x + self.out(a)
        n = self.between(x)
        z = self.route(n).float()
        p = z.softmax(-1)
        best = z.argmax(-1)
        one = F.one_hot(best, self.x)
        place = (one.cumsum(1) * one).sum(-1) - 1
        row = torch.arange(b)[:, None]
        slot = (best * b + row) * self.places + place
        count = self.x * b * self.places
        slot = torch.where(place < self.places, slot, count)  # one more, for those that pass by
        given = n.new_zeros(count + 1, d).index_copy(0, slot.flatten(), n.flatten(0, 1))
        o = torch.bmm(F.gelu(torch.bmm(given[:-1].view(self.x, -1, d), self.w1)), self.w2)
        o = torch.cat((o.flatten(0, 1), o.new_zeros(1, d)))
        back = o.index_select(0, slot.flatten()).view(b, l, d)
        share, mass = one.float().mean((0, 1)), p.mean((0, 1))
        y = x + p.gather(-1, best[..., None]) * back
        return y, self.x * (share * mass).sum()


class Mixture(nn.Module):
    def __init__(self, size, mode, way):
        super().__init__()
        d = size["D"]
        self.symbol, self.place = weight(size["V"], d, std=1), weight(size["L"], d, std=1)
        self.layers = nn.ModuleList(Experts(size) for _ in range(size["N"]))
        self.norm, self.write = nn.RMSNorm(d, 1e-6), write(d, size["V"])

    def forward(self, x):
        h, uneven = F.embedding(x[:, :-1], self.symbol) + self.place, 0.0
        for layer in self.layers:
            h, more = layer(h)
            uneven = uneven + more / len(self.layers)
        return next_nll(self.write(self.norm(h)), x) + 0.01 * uneven


# ---- convolutions -----------------------------------------------------------------------------------


def last(x):
    return x.to(memory_format=torch.channels_last)


class Unet(nn.Module):
    """tests/models/conv_unet.td; one dimension is a picture one row high, in channels_last."""

    def __init__(self, size, mode, way):
        super().__init__()
        self.size = size
        v, d, t = size["V"], size["D"], size["T"]

        def conv(i, o, width=3, bias=True, **more):
            c = nn.Conv2d(i, o, (1, width), bias=bias, **more)
            nn.init.normal_(c.weight, 0, 0.15)
            if bias:
                nn.init.zeros_(c.bias)
            return c

        self.time = write(d, d)
        self.a = conv(v, d, padding=(0, 1))
        self.down = conv(d, d, 2, bias=False, stride=(1, 2))
        self.m = conv(d, d, padding=(0, 2), dilation=(1, 2))
        self.u, self.out = conv(d, d, padding=(0, 1)), conv(d, v, padding=(0, 1))
        self.register_buffer("steps", sinusoid(torch.arange(t).float(), d))
        self.register_buffer("abar", torch.cumprod(1 - torch.linspace(1e-3, 0.5, t), 0))
        last(self)

    def eps(self, xt, t):
        c = self.time(self.steps[t])[:, :, None, None]
        a = F.silu(self.a(last(xt.transpose(1, 2)[:, :, None])) + c)
        d = F.silu(self.down(a) + c)
        u = F.interpolate(d + F.silu(self.m(d)), scale_factor=(1, 2), mode="nearest") + a
        return self.out(F.silu(self.u(u)))[:, :, 0].transpose(1, 2)

    def forward(self, x):
        s = self.size
        t, e = torch.randint(s["T"], (s["B"],)), torch.randn(s["B"], s["L"], s["V"])
        abar = self.abar[t][:, None, None]
        xt = abar.sqrt() * F.one_hot(x, s["V"]) + (1 - abar).sqrt() * e
        return F.mse_loss(self.eps(xt, t).float(), e)


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = nn.LayerNorm(c)
        self.one, self.two = conv3(c, c), conv3(c, c)

    def forward(self, u):
        n = self.norm(u.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # a view: channels are last
        return u + self.two(F.silu(self.one(F.silu(n))))


def conv3(i, o):
    c = nn.Conv2d(i, o, 3, padding=1)
    nn.init.normal_(c.weight, 0, math.sqrt(2 / (9 * i)))
    nn.init.zeros_(c.bias)
    return c


class Image(nn.Module):
    """tests/bench/models/image.td in channels_last."""

    def __init__(self, size, mode, way):
        super().__init__()
        self.shape, c = (size["L"] // size["W"], size["W"]), size["C"]
        self.symbol = weight(size["V"], c, std=1)
        self.first, self.a = conv3(c, c), Residual(c)
        self.down = nn.Conv2d(c, 2 * c, 2, stride=2, bias=False)
        nn.init.normal_(self.down.weight, 0, math.sqrt(1 / (4 * c)))
        self.d, self.write = Residual(2 * c), write(2 * c, size["V"])
        last(self)

    def forward(self, x):
        u = F.embedding(x[:, :-1], self.symbol).unflatten(1, self.shape).permute(0, 3, 1, 2)
        d = self.d(self.down(self.a(self.first(u))))
        z = self.write(F.silu(d).mean((2, 3)))
        return F.cross_entropy(z.float(), x[:, -1])


# ---- attention over a window ---------------------------------------------------------------------------


class Banded(nn.Module):
    """`way`: SDPA with a mask of all pairs, or over blocks of a window and the one before.
    (flex_attention has no backward on a CPU.)"""

    def __init__(self, size, way):
        super().__init__()
        d, f, w, l = size["D"], size["F"], size["W"], size["L"]
        self.h, self.w, self.way, s = size["H"], w, way, 1 / math.sqrt(d)
        self.before, self.between = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = product(d, 3 * d, s), product(d, d, 0.02)
        self.w1, self.w2 = product(d, f, s), product(f, d, 0.02)
        at, i, j = torch.arange(l), torch.arange(w)[:, None], torch.arange(2 * w)
        back = at[:, None] - at
        near = (j > i) & (j <= i + w)
        near = near.repeat(l // w, 1, 1)
        near[0] &= j >= w
        self.register_buffer("band", (back >= 0) & (back < w))
        self.register_buffer("near", near)

    def attend(self, q, k, v):
        if self.way == "mask":
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.band)

        def blocks(t):
            return t.flatten(0, 1).unflatten(1, (-1, self.w))

        def pairs(t):
            t = blocks(t)
            return torch.cat((F.pad(t, (0, 0, 0, 0, 1, 0))[:, :-1], t), 2)

        a = F.scaled_dot_product_attention(blocks(q), pairs(k), pairs(v), attn_mask=self.near)
        return a.flatten(1, 2).unflatten(0, q.shape[:2])

    def forward(self, x):
        q, k, v = (heads(t, self.h) for t in self.qkv(self.before(x)).chunk(3, -1))
        g = x + self.out(self.attend(q, k, v).transpose(1, 2).flatten(-2))
        return g + self.w2(F.gelu(self.w1(self.between(g))))


class Window(nn.Module):
    def __init__(self, size, mode, way):
        super().__init__()
        d = size["D"]
        self.symbol, self.place = weight(size["V"], d, std=0.5), weight(size["L"], d, std=0.5)
        self.layers = nn.ModuleList(Banded(size, way) for _ in range(size["N"]))
        self.norm, self.write = nn.LayerNorm(d), write(d, size["V"])

    def forward(self, x):
        h = F.embedding(x[:, :-1], self.symbol) + self.place
        for layer in self.layers:
            h = layer(h)
        return next_nll(self.write(self.norm(h)), x)


# ---- the autoregressive transformer ----------------------------------------------------------------------


class Causal(nn.Module):
    def __init__(self, size):
        super().__init__()
        d, f, self.h = size["D"], size["F"], size["H"]
        s = 0.02 / math.sqrt(2 * size["N"])
        self.before, self.between = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = product(d, 3 * d, 0.02), product(d, d, s)
        self.w1, self.w2 = product(d, f, 0.02), product(f, d, s)

    def rest(self, x, a):
        g = x + self.out(a.transpose(1, 2).flatten(-2))
        return g + self.w2(F.gelu(self.w1(self.between(g))))

    def forward(self, x):
        q, k, v = (heads(t, self.h) for t in self.qkv(self.before(x)).chunk(3, -1))
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def one(self, x, i, keys, values):
        """Position i alone: a number where as much of the cache is read as is filled, or a tensor,
        of a graph that is the same for every position."""
        q, k, v = (heads(t, self.h) for t in self.qkv(self.before(x)).chunk(3, -1))
        if isinstance(i, int):
            keys[:, :, i], values[:, :, i] = k[:, :, 0], v[:, :, 0]
            a = F.scaled_dot_product_attention(q, keys[:, :, : i + 1], values[:, :, : i + 1])
        else:
            keys.index_copy_(2, i, k)
            values.index_copy_(2, i, v)
            seen = (torch.arange(keys.shape[2]) <= i)[None]
            a = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen)
        return self.rest(x, a)


class Gpt(nn.Module):
    def __init__(self, size, mode, way):
        super().__init__()
        d = size["D"]
        self.size = size
        self.symbol, self.place = weight(size["V"], d), weight(size["L"], d)
        self.layers = nn.ModuleList(Causal(size) for _ in range(size["N"]))
        self.norm = nn.LayerNorm(d)

    def forward(self, x):
        h = F.embedding(x[:, :-1], self.symbol) + self.place
        for layer in self.layers:
            h = layer(h)
        return next_nll(F.linear(self.norm(h), self.symbol), x)

    def one(self, now, i, keys, values):
        h = F.embedding(now, self.symbol)[:, None] + self.place[i]
        for n, layer in enumerate(self.layers):
            h = layer.one(h, i, keys[n], values[n])
        return F.linear(self.norm(h), self.symbol)[:, 0]


class Cached:
    """The .td's sampler cached: a symbol a turn."""

    def __init__(self, model, spec):
        self.model, self.size, self.spec = model.eval(), spec["size"], spec
        self.compiled = spec["mode"] == "compiled"
        self.turn = torch.compile(self.once) if self.compiled else self.once
        self.at = [torch.tensor([i]) for i in range(self.size["L"])]

    def once(self, now, i, keys, values):
        z = self.model.one(now, i, keys, values).float()
        return draw(chosen(z, self.spec["temperature"], self.spec["top_k"]))

    @torch.no_grad()
    def run(self):
        s = self.size
        shape = (s["N"], s["B"], s["H"], s["L"], s["D"] // s["H"])
        kind = torch.bfloat16 if self.spec["type"] == "bf16" else torch.float32
        keys, values = torch.zeros(shape, dtype=kind), torch.zeros(shape, dtype=kind)
        x = torch.zeros(s["B"], s["L"], dtype=torch.long)
        x[:, 0] = torch.randint(s["V"], (s["B"],))
        for i in range(s["L"] - 1):
            x[:, i + 1] = self.turn(x[:, i], self.at[i] if self.compiled else i, keys, values)
        return x.float().mean().item()


# ---- masked diffusion ---------------------------------------------------------------------------------------


class Masked(nn.Module):
    """models/mask.td's layer. The sum over neighbours is a convolution of each channel where every
    operation is a kernel, and shifted products where they become one."""

    def __init__(self, size, mode):
        super().__init__()
        d, f, self.h, self.w = size["D"], size["F"], size["H"], size["W"]
        s, e, self.mode = 1 / math.sqrt(d), d // size["H"], mode
        self.before, self.between = nn.RMSNorm(d, 1e-6), nn.RMSNorm(d, 1e-6)
        self.nq, self.nk = nn.RMSNorm(e, 1e-6), nn.RMSNorm(e, 1e-6)
        self.qkv, self.out = product(d, 3 * d, s), product(d, d, 0)
        self.w1, self.w2, self.near = product(d, f, s), product(f, d, 0), nn.Parameter(torch.zeros(self.w, d))

    def blur(self, u):
        half = self.w // 2
        if self.mode == "compiled":
            wide = F.pad(u, (0, 0, half, half))
            return sum(wide[:, k : k + u.shape[1]] * self.near[k] for k in range(self.w))
        taps = self.near.t()[:, None, None]
        c = F.conv2d(u.transpose(1, 2)[:, :, None], taps, padding=(0, half), groups=u.shape[-1])
        return c[:, :, 0].transpose(1, 2)

    def forward(self, x, cos, sin):
        u = self.before(x)
        q, k, v = (heads(t, self.h) for t in self.qkv(u + self.blur(u)).chunk(3, -1))

        def turned(t):
            even, odd = t[..., 0::2], t[..., 1::2]
            return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)

        q, k = turned(self.nq(q)), turned(self.nk(k))
        a = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v).transpose(1, 2).flatten(-2)
        g = x + self.out(a)
        return g + self.w2(F.relu(self.w1(self.between(g))) ** 2)


class Mask(nn.Module):
    def __init__(self, size, mode, way):
        super().__init__()
        self.size, d, v = size, size["D"], size["V"]
        self.symbol = weight(v + 1, d, std=1)
        self.first, self.norm = nn.RMSNorm(d, 1e-6), nn.RMSNorm(d, 1e-6)
        self.layers = nn.ModuleList(Masked(size, mode) for _ in range(size["N"]))
        self.write = write(d, v)
        e = d // size["H"]
        angle = torch.arange(size["L"])[:, None] * torch.pow(10000.0, -torch.arange(0, e, 2) / e)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def net(self, x):
        h = self.first(F.embedding(x, self.symbol))
        for layer in self.layers:
            h = layer(h, self.cos, self.sin)
        return self.write(self.norm(h))

    def forward(self, x):
        b, l = x.shape
        u = torch.rand(b, l)
        more = ((torch.rand(()) + torch.arange(b) / b) % 1 * l).floor()
        hidden = u.argsort(-1).argsort(-1) <= more[:, None]
        z = self.net(torch.where(hidden, self.size["V"], x)).float()
        c = F.cross_entropy(z.transpose(1, 2), x, reduction="none")
        return ((c * hidden).sum(-1) / (more + 1)).mean()


class Unmask:
    """The .td's sampler unmask, confidence 10 and likely 0."""

    def __init__(self, model, spec):
        self.model, self.size, self.spec = model.eval(), spec["size"], spec
        self.turn = torch.compile(self.once) if spec["mode"] == "compiled" else self.once
        n, l = spec["steps"], self.size["L"]
        self.after = [torch.tensor(round(i / (l - 1) * (n - 1) / n * l)) for i, _ in loop_values(l, n)]

    def once(self, x, after):
        v = self.size["V"]
        z = self.model.net(x).float()
        pick = draw(chosen(z, self.spec["temperature"], self.spec["top_k"]))
        sure = 10 * (z.amax(-1) - z.logsumexp(-1))
        open_ = x == v
        order = torch.where(open_, sure - torch.empty_like(sure).exponential_().log(), -torch.inf)
        place = order.argsort(-1, descending=True).argsort(-1)
        now = open_ & (place < open_.sum(-1, keepdim=True) - after)
        return torch.where(now, pick, x)

    @torch.no_grad()
    def run(self):
        s = self.size
        x = torch.full((s["B"], s["L"]), s["V"])
        for after in self.after:
            x = self.turn(x, after)
        return x.float().mean().item()


# ---- training ------------------------------------------------------------------------------------------------------


def cosine(peak, step, total, warmup=200, floor=0.1):
    x = min(max((step - warmup) / max(1, total - warmup), 0), 1)
    return peak * min(1, step / max(1, warmup)) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * x)))


def adam(model, rate):
    return torch.optim.Adam([p for p in model.parameters() if p.requires_grad], rate, fused=True)


def adamw(model, rate):
    """core.td's: matrices decay, the rest does not."""
    groups = [[p for p in model.parameters() if (p.dim() > 1) == many] for many in (True, False)]
    given = [{"params": groups[0], "weight_decay": 0.1}, {"params": groups[1], "weight_decay": 0.0}]
    return torch.optim.AdamW(given, rate, betas=(0.9, 0.99), fused=True)


# model: what it is, its optimizer, its rate by step, clip, ema, symbols beside a window's
TRAINED = {
    "gru": (lambda size, mode, way: Recurrent(size), adam, lambda step: GRU_RATE, None, None, 1),
    "lstm": (Lstm, adam, lambda step: cosine(2e-3, step, 1500, 100), 1.0, None, 1),
    "selective": (Selective, adam, lambda step: 0.003, None, None, 1),
    "experts": (Mixture, adam, lambda step: 0.003, None, None, 1),
    "unet": (Unet, adam, lambda step: 0.01, None, None, 0),
    "image": (Image, adam, lambda step: 0.003, None, None, 1),
    "window": (Window, adam, lambda step: 0.003, None, None, 1),
    "gpt": (Gpt, adamw, lambda step: cosine(1e-3, step, 1500, 100), 1.0, None, 1),
    "mask": (Mask, adamw, lambda step: cosine(2e-3, step, 3000), 1.0, 0.998, 0),
}
SAMPLED = {"gpt-sampler": (Gpt, Cached), "mask-sampler": (Mask, Unmask)}


def training(spec, cast):
    make, optimizer_of, rate, clip, ema, more = TRAINED[spec["model"]]
    size = spec["size"]
    model = make(size, spec["mode"], spec["way"])
    optimizer = optimizer_of(model, rate(1))
    weights = [p for p in model.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in weights] if ema else None
    loss_of = torch.compile(model) if spec["mode"] == "compiled" else model
    at = [0]

    def prepare(step):
        at[0] = step
        return torch.tensor(tokens(size["B"], size["L"] + more, size["V"], step))

    def run(x):
        for group in optimizer.param_groups:
            group["lr"] = rate(at[0])
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = loss_of(x)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
        if ema:
            with torch.no_grad():
                torch._foreach_lerp_(average, weights, 1 - min(ema, (1 + at[0]) / (10 + at[0])))
        return loss.item()

    return model, prepare, run


def sampling(spec, cast):
    """In bf16 the weights are that themselves: autocast rounds them again in each turn."""
    make, sampler_of = SAMPLED[spec["model"]]
    model = make(spec["size"], spec["mode"], spec["way"])
    if spec["type"] == "bf16":
        model = model.bfloat16()
    sampler = sampler_of(model, spec)
    return model, lambda step: None, lambda nothing: sampler.run()


def main():
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    torch._dynamo.config.allow_rnn = spec.get("unroll", False)  # else nn.GRU and nn.LSTM stay eager
    cast = autocast(spec) if spec["type"] == "bf16" else contextlib.nullcontext
    model, prepare, run = (sampling if spec["model"] in SAMPLED else training)(spec, cast)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    about = {"versions": {"torch": torch.__version__}, "weights": weights, "threads": torch.get_num_threads()}
    serve(about, prepare, run)


if __name__ == "__main__":
    main()
