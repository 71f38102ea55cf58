# SPDX-License-Identifier: MIT
"""The models again, in PyTorch's own layers. Each has its parameters' shapes by tdc's
names and a loss of (parameters, tokens, draws). Where a model draws, `draw` names the
place in the .td: "main:t.uniform" is the draw into t of the loss `main`; inside a layer
loop, layer i continues where layer i - 1 ended."""

import math

import torch
import torch.nn.functional as F

import draws as random


class Draws:
    """The draws of one training step."""

    def __init__(self, seed, step):
        self.seed, self.step = seed, step

    def uniform(self, name, shape, first=0):
        return torch.from_numpy(random.uniform(self.seed, self.step, name, shape, first))

    def normal(self, name, shape, first=0):
        return torch.from_numpy(random.normal(self.seed, self.step, name, shape, first))

    def below(self, n, name, shape):
        return torch.from_numpy(random.pick(self.seed, self.step, n, name, shape))

    def gumbel(self, name, shape):
        return -torch.log(-torch.from_numpy(random.log_uniform(self.seed, self.step, name, shape)))


def sinusoid(positions, d):
    """[...] -> [..., d]: sine and cosine of each frequency, alternating."""
    rate = torch.exp(-math.log(10000) * torch.arange(0, d, 2).double() / d)
    angle = positions.double()[..., None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


def linear(p, name, x):
    return F.linear(x, p[name + ".w"].T, p[name + ".b"])


def linear_shapes(name, d, o):
    return {name + ".w": (d, o), name + ".b": (o,)}


def mlp(p, name, x):
    return linear(p, name + ".linear_2", F.gelu(linear(p, name + ".linear", x)))


def mlp_shapes(name, d, f, stack=()):
    shapes = {**linear_shapes(name + ".linear", d, f), **linear_shapes(name + ".linear_2", f, d)}
    return {k: stack + s for k, s in shapes.items()}


def layernorm(p, name, x):
    return F.layer_norm(x, x.shape[-1:], p[name + ".gain"], p[name + ".bias"], 1e-5)


def norm_shapes(name, d, stack=(), bias=True):
    return {name + "." + part: stack + (d,) for part in (("gain", "bias") if bias else ("gain",))}


def attention_shapes(name, stack, d, h):
    e = d // h
    shapes = {name + "." + w: stack + (d, h, e) for w in ("wq", "wk", "wv")}
    return {**shapes, name + ".wo": stack + (h, e, d)}


def attention(p, name, n, causal=False):
    """[b, l, d] -> [b, l, d]"""
    d, h, e = p[name + ".wq"].shape
    q, k, v = (
        F.linear(n, p[name + "." + w].reshape(d, d).T).unflatten(-1, (h, e)).transpose(1, 2)
        for w in ("wq", "wk", "wv")
    )
    a = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return F.linear(a.transpose(1, 2).flatten(-2), p[name + ".wo"].reshape(d, d).T)


def layer_of(p, name, i):
    """The parameters of layer i of a stack, under the same names."""
    return {k: v[i] if k.startswith(name + ".") else v for k, v in p.items()}


def noised(signal, abar, e):
    return abar.sqrt() * signal + (1 - abar).sqrt() * e


# ---- Gaussian diffusion over one-hot characters: models/shakespeare.td ---------------------


def flagship_shapes(c):
    d, f, n = c["D"], c["F"], c["N"]
    layer = "denoise.layer"
    return {
        **attention_shapes(layer, (n,), d, c["H"]),
        **norm_shapes(layer + ".layernorm", d, (n,)),
        **norm_shapes(layer + ".layernorm_2", d, (n,)),
        **mlp_shapes(layer + ".mlp", d, f, (n,)),
        **mlp_shapes("denoise.mlp", d, d),
        **linear_shapes("denoise.linear", c["V"], d),
        **norm_shapes("denoise.layernorm", d),
        **linear_shapes("denoise.linear_2", d, c["V"]),
    }


def flagship(c, p, x, draw):
    b, l, d, drop = c["B"], c["L"], c["D"], c["drop"]

    def dropout(y, place, i):
        site = f"main.denoise.layer.{place}:denoise.layer.{place}.y.uniform"
        keep = draw.uniform(site, y.shape, i * y.numel()) >= drop
        return y * keep / (1 - drop)

    beta = torch.linspace(1e-4, 0.02, c["T"], dtype=torch.float64)
    abar = torch.cumprod(1 - beta, 0)
    t = draw.below(c["T"], "main:t.uniform", (b,))
    e = draw.normal("main:e.normal", (b, l, c["V"]))
    xt = noised(F.one_hot(x, c["V"]).double(), abar[t][:, None, None], e)
    h = linear(p, "denoise.linear", xt) + sinusoid(torch.arange(l), d)
    time = mlp(p, "denoise.mlp", sinusoid(t, d))[:, None]
    for i in range(c["N"]):
        q = layer_of(p, "denoise.layer", i)
        g = h + dropout(
            attention(q, "denoise.layer", layernorm(q, "denoise.layer.layernorm", h + time)),
            "dropout",
            i,
        )
        h = g + dropout(
            mlp(q, "denoise.layer.mlp", layernorm(q, "denoise.layer.layernorm_2", g)),
            "dropout_2",
            i,
        )
    eps = linear(p, "denoise.linear_2", layernorm(p, "denoise.layernorm", h))
    return F.mse_loss(eps, e)


# ---- a causal transformer: tests/models/causal.td -------------------------------------------


def causal_shapes(c):
    d, n, s = c["D"], c["N"], c["L"]
    return {
        "net.place": (s, d),
        "net.embedding.table": (c["V"], d),
        **attention_shapes("net.layer", (n,), d, c["H"]),
        **norm_shapes("net.layer.rmsnorm", d, (n,), False),
        **norm_shapes("net.layer.rmsnorm_2", d, (n,), False),
        **mlp_shapes("net.layer.mlp", d, 4 * d, (n,)),
        **norm_shapes("net.rmsnorm", d, (), False),
        **linear_shapes("net.linear", d, c["V"]),
    }


def causal(c, p, x, draw):
    def norm(q, name, h):
        return F.rms_norm(h, h.shape[-1:], q[name + ".gain"], 1e-6)

    h = F.embedding(x[:, :-1], p["net.embedding.table"]) + p["net.place"]
    for i in range(c["N"]):
        q = layer_of(p, "net.layer", i)
        h = h + attention(q, "net.layer", norm(q, "net.layer.rmsnorm", h), causal=True)
        h = h + mlp(q, "net.layer.mlp", norm(q, "net.layer.rmsnorm_2", h))
    return F.cross_entropy(
        linear(p, "net.linear", norm(p, "net.rmsnorm", h)).flatten(0, 1), x[:, 1:].flatten()
    )


# ---- recurrent language models: tests/models/gru_lm.td, lstm_lm.td -------------------------


def run_cell(kind, x, w, u, bias):
    """x [b, t, i], w [gates, i, k], u [gates, k, k], bias [gates, k] through PyTorch's recurrence."""
    gates, i, k = w.shape
    rnn = kind(i, k, batch_first=True, dtype=torch.float64)
    given = {
        "weight_ih_l0": w.transpose(1, 2).reshape(gates * k, i),
        "bias_ih_l0": bias.reshape(-1),
        "weight_hh_l0": u.transpose(1, 2).reshape(gates * k, k),
        "bias_hh_l0": torch.zeros(gates * k).double(),
    }
    return torch.func.functional_call(rnn, given, (x,))[0]


def gru_shapes(c):
    d, k = c["D"], c["K"]
    return {
        "net.embedding.table": (c["V"], d),
        "net.recurrent.w": (3, d, k),
        "net.recurrent.u": (3, k, k),
        "net.recurrent.c": (3, k),
        "net.recurrent_2.w": (3, k, k),
        "net.recurrent_2.u": (3, k, k),
        "net.recurrent_2.c": (3, k),
        **linear_shapes("net.linear", k, c["V"]),
    }


def gru(c, p, x, draw):
    h = F.embedding(x[:, :-1], p["net.embedding.table"])
    for name in ("net.recurrent", "net.recurrent_2"):
        h = run_cell(torch.nn.GRU, h, p[name + ".w"], p[name + ".u"], p[name + ".c"])
    return F.cross_entropy(linear(p, "net.linear", h).flatten(0, 1), x[:, 1:].flatten())


def lstm_shapes(c):
    k, n = c["K"], c["N"]
    return {
        "net.embedding.table": (c["V"], k),
        "net.recurrent.w": (n, 4, k, k),
        "net.recurrent.u": (n, 4, k, k),
        "net.recurrent.c": (n, 4, k),
        **linear_shapes("net.linear", k, c["V"]),
    }


def lstm(c, p, x, draw):
    h = F.embedding(x[:, :-1], p["net.embedding.table"])
    for i in range(c["N"]):
        h = h + run_cell(torch.nn.LSTM, h, *(p["net.recurrent." + w][i] for w in ("w", "u", "c")))
    return F.cross_entropy(linear(p, "net.linear", h).flatten(0, 1), x[:, 1:].flatten())


def recurrent_shapes(gates):
    """models/gru_lm.td, models/lstm_lm.td: two layers, the second from the first's states."""

    def shapes(c):
        d, k = c["D"], c["K"]
        made = {"net.embedding.table": (c["V"], d), **linear_shapes("net.linear", k, c["V"])}
        for name, i in (("net.recurrent", d), ("net.recurrent_2", k)):
            made |= {name + ".w": (gates, i, k), name + ".u": (gates, k, k), name + ".c": (gates, k)}
        return made

    return shapes


def recurrent(kind):
    def loss(c, p, x, draw):
        h = F.embedding(x[:, :-1], p["net.embedding.table"])
        for name in ("net.recurrent", "net.recurrent_2"):
            h = run_cell(kind, h, p[name + ".w"], p[name + ".u"], p[name + ".c"])
        return F.cross_entropy(linear(p, "net.linear", h).flatten(0, 1), x[:, 1:].flatten())

    return loss


# ---- an article's diffusion of one latent vector: models/diffusion_lm.td ---------------------


def diffusion_lm_shapes(c):
    d, k, v = c["D"], c["K"], c["V"]

    def affine(name, i, o):
        return {name + ".affine.w": (i, o), name + ".affine.b": (o,)}

    shapes = {"encode.symbol": (v, d)}
    for side, out in (("encode", d), ("decode", v)):
        for name, i in ((side + ".recurrent", d), (side + ".recurrent_2", k)):
            shapes |= {name + ".w": (3, i, k), name + ".u": (3, k, k), name + ".c": (3, k)}
        shapes |= affine(side, k, out)
    return shapes | affine("predict", d, d)


def diffusion_lm(c, p, x, draw):
    """The article's modules and training step, but for its division by sqrt(1 - abar[t - 1])."""
    d, l = c["D"], c["L"]
    beta = torch.linspace(1e-4, 0.02, c["T"], dtype=torch.float64)
    alpha, abar = 1 - beta, torch.cumprod(1 - beta, 0)

    def affine(side, h):
        return F.linear(h, p[side + ".affine.w"].T, p[side + ".affine.b"])

    def layers(side, h):
        for name in (side + ".recurrent", side + ".recurrent_2"):
            h = run_cell(torch.nn.GRU, h, p[name + ".w"], p[name + ".u"], p[name + ".c"])
        return h

    z0 = affine("encode", layers("encode", F.embedding(x, p["encode.symbol"]))[:, -1])
    t = draw.below(c["T"], "main:t.uniform", (1,)).item()
    n = draw.normal("main:n.normal", z0.shape)
    zt = abar[t].sqrt() * z0 + (1 - abar[t]).sqrt() * n
    predicted = affine("predict", zt)
    mean = (zt - (1 - alpha[t]) / (1 - abar[t]).sqrt() * predicted) / alpha[t].sqrt()
    again = mean + beta[t].sqrt() * draw.normal("main:again.normal", z0.shape)
    logits = affine("decode", layers("decode", again.unsqueeze(1).repeat(1, l, 1)))
    return F.cross_entropy(logits.flatten(0, 1), x.flatten()) + F.mse_loss(predicted, n)


# ---- absorbing diffusion: tests/models/absorbing.td ------------------------------------------


def absorbing_shapes(c):
    d, n = c["D"], c["N"]
    return {
        "net.embedding.table": (c["V"] + 1, d),
        **attention_shapes("net.layer", (n,), d, c["H"]),
        **norm_shapes("net.layer.layernorm", d, (n,)),
        **norm_shapes("net.layer.layernorm_2", d, (n,)),
        **mlp_shapes("net.layer.mlp", d, 2 * d, (n,)),
        **norm_shapes("net.layernorm", d),
        **linear_shapes("net.linear", d, c["V"]),
    }


def absorbing(c, p, x, draw):
    b, l = x.shape
    k = draw.below(l, "main:k.uniform", (b,)) + 1
    order = draw.uniform("main:r.uniform", (b, l)).argsort(1).argsort(1)
    hidden = order < k[:, None]
    h = F.embedding(torch.where(hidden, c["V"], x), p["net.embedding.table"]) + sinusoid(
        torch.arange(l), c["D"]
    )
    for i in range(c["N"]):
        q = layer_of(p, "net.layer", i)
        h = h + attention(q, "net.layer", layernorm(q, "net.layer.layernorm", h))
        h = h + mlp(q, "net.layer.mlp", layernorm(q, "net.layer.layernorm_2", h))
    z = linear(p, "net.linear", layernorm(p, "net.layernorm", h))
    nll = F.cross_entropy(z.transpose(1, 2), x, reduction="none")
    return ((nll * hidden).sum(1) / k).mean()


# ---- uniform discrete diffusion: tests/models/uniform.td -------------------------------------


def uniform_shapes(c):
    d, l, n = c["D"], c["L"], 2
    return {
        "denoise.embedding.table": (c["V"], d),
        **linear_shapes("denoise.linear", d, d),
        "denoise.mixer.place": (n, l, l),
        **norm_shapes("denoise.mixer.layernorm", d, (n,)),
        **norm_shapes("denoise.mixer.layernorm_2", d, (n,)),
        **mlp_shapes("denoise.mixer.mlp", d, 2 * d, (n,)),
        **norm_shapes("denoise.layernorm", d),
        **linear_shapes("denoise.linear_2", d, c["V"]),
    }


def uniform(c, p, x, draw):
    kept = torch.cumprod(torch.linspace(0.97, 0.5, c["T"], dtype=torch.float64), 0)
    t = draw.below(c["T"], "main:t.uniform", x.shape[:1])
    other = draw.below(c["V"], "main:r.uniform", x.shape)
    stays = draw.uniform("main:stays.bernoulli", x.shape) < kept[t][:, None]
    xt = torch.where(stays, x, other)
    h = (
        F.embedding(xt, p["denoise.embedding.table"])
        + linear(p, "denoise.linear", sinusoid(t, c["D"]))[:, None]
    )
    for i in range(2):
        q = layer_of(p, "denoise.mixer", i)
        n = F.gelu(layernorm(q, "denoise.mixer.layernorm", h))
        h = h + torch.einsum("bmd,ml->bld", n, q["denoise.mixer.place"])
        h = h + mlp(q, "denoise.mixer.mlp", layernorm(q, "denoise.mixer.layernorm_2", h))
    z = linear(p, "denoise.linear_2", layernorm(p, "denoise.layernorm", h))
    return F.cross_entropy(z.flatten(0, 1), x.flatten())


# ---- convolutions: tests/models/conv_unet.td ---------------------------------------------------


def conv_unet_shapes(c):
    d, v, k = c["D"], c["V"], 3
    shapes = {**linear_shapes("denoise.linear", d, d), "denoise.down.w": (2, d, d)}
    for name, i, o in (("conv", v, d), ("conv_2", d, d), ("conv_3", d, d), ("conv_4", d, v)):
        shapes |= {f"denoise.{name}.w": (k, i, o), f"denoise.{name}.c": (o,)}
    return shapes


def conv_unet(c, p, x, draw):
    def conv(name, h, step=1):
        w = p[f"denoise.{name}.w"].permute(2, 1, 0)
        return F.conv1d(h.mT, w, p[f"denoise.{name}.c"], padding=step, dilation=step).mT

    beta = torch.linspace(1e-3, 0.5, c["T"], dtype=torch.float64)
    abar = torch.cumprod(1 - beta, 0)
    t = draw.below(c["T"], "main:t.uniform", x.shape[:1])
    e = draw.normal("main:e.normal", (*x.shape, c["V"]))
    xt = noised(F.one_hot(x, c["V"]).double(), abar[t][:, None, None], e)
    time = linear(p, "denoise.linear", sinusoid(t, c["D"]))[:, None]
    a = F.silu(conv("conv", xt) + time)
    d = F.silu(F.conv1d(a.mT, p["denoise.down.w"].permute(2, 1, 0), stride=2).mT + time)
    m = d + F.silu(conv("conv_2", d, 2))
    u = m.repeat_interleave(2, 1) + a
    return F.mse_loss(conv("conv_4", F.silu(conv("conv_3", u))), e)


# ---- overlapping steps: tests/models/conv_steps.td ---------------------------------------------


def conv_steps_shapes(c):
    d, v = c["D"], c["V"]
    shapes = {"net.symbol": (v, d), "net.down.m": (3, 3, d, d), "net.down.c": (d,)}
    return shapes | {"net.up.m": (4, 4, d, d), **linear_shapes("net.linear", d, v)}


def conv_steps(c, p, x, draw):
    seen, after = x[:, :-1], x[:, 1:]
    image = p["net.symbol"][seen].unflatten(1, (c["L"] // c["W"], c["W"])).permute(0, 3, 1, 2)
    half = F.silu(F.conv2d(image, p["net.down.m"].permute(3, 2, 0, 1), p["net.down.c"], 2, 1))
    whole = F.silu(F.conv_transpose2d(half, p["net.up.m"].permute(2, 3, 0, 1), None, 2, 1))
    z = linear(p, "net.linear", whole.permute(0, 2, 3, 1).flatten(1, 2))
    return F.cross_entropy(z.flatten(0, 1), after.flatten())


# ---- latent variables: tests/models/latent.td -----------------------------------------------------


def latent_shapes(c):
    d, z, k = c["D"], c["Z"], c["C"]
    return {
        "encode.embedding.table": (c["V"], d),
        **linear_shapes("encode.linear", d, d),
        **linear_shapes("encode.linear_2", d, z),
        **linear_shapes("encode.linear_3", d, z),
        **linear_shapes("encode.linear_4", d, k),
        "decode.place": (c["L"], d),
        **linear_shapes("decode.linear", z, d),
        "decode.project.w": (k, d),
        **linear_shapes("decode.linear_2", d, c["V"]),
    }


def latent(c, p, x, draw):
    b, l = x.shape
    h = F.gelu(linear(p, "encode.linear", F.embedding(x, p["encode.embedding.table"]))).mean(1)
    mu, logvar, cat = (linear(p, f"encode.linear_{i}", h) for i in (2, 3, 4))
    z = mu + torch.exp(0.5 * logvar) * draw.normal("main:n.normal", mu.shape)
    soft = F.softmax((cat + draw.gumbel("main.gumbel:gumbel.g.uniform", cat.shape)) / 0.7, 1)
    a = linear(p, "decode.linear", z) + soft @ p["decode.project.w"]
    y = linear(p, "decode.linear_2", torch.tanh(a[:, None] + p["decode.place"]))
    prior = torch.distributions.Normal(0, torch.ones((), dtype=torch.float64))
    here = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    kl = torch.distributions.kl_divergence(here, prior).sum(1).mean()
    return F.cross_entropy(y.flatten(0, 1), x.flatten()) + 0.1 * kl / l


# ---- a learned schedule: tests/models/learned_schedule.td -------------------------------------------


def learned_schedule_shapes(c):
    d, l = c["D"], c["L"]
    return {
        "abar.schedule_of.step": (c["T"],),
        "abar.schedule_of.start": (1,),
        "embed.embedding.table": (c["V"], d),
        **linear_shapes("denoise.linear", d, d),
        **linear_shapes("denoise.linear_2", d, 2 * d),
        **linear_shapes("denoise.linear_3", d, 2 * d),
        "denoise.mix": (l, l),
        **linear_shapes("denoise.linear_4", 2 * d, c["V"]),
    }


def learned_schedule(c, p, x, draw):
    rise = F.softplus(p["abar.schedule_of.step"])
    abar = torch.sigmoid(-(p["abar.schedule_of.start"] + torch.cumsum(rise, 0)))
    t = draw.below(c["T"], "main:t.uniform", x.shape[:1])
    w = F.embedding(x, p["embed.embedding.table"])
    unit = w / (w.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    xt = noised(unit, abar[t][:, None, None], draw.normal("main:e.normal", w.shape))
    time = linear(p, "denoise.linear", sinusoid(t, c["D"]))[:, None]
    h = F.gelu(linear(p, "denoise.linear_2", xt) + linear(p, "denoise.linear_3", time))
    z = linear(p, "denoise.linear_4", h + torch.einsum("bmk,ml->blk", h, p["denoise.mix"]))
    return F.cross_entropy(z.flatten(0, 1), x.flatten()) + abar[-1] * unit.square().mean()
