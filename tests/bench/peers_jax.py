# SPDX-License-Identifier: MIT
"""The JAX side of bench.py: the flagship and the recurrent model, each one jitted program.

    python3 peers_jax.py '{"what": "step", "type": "f32", "threads": 1, ...}'

A training step draws its times, noise and dropout, differentiates and updates with Adam
in one program whose arguments are donated; a sampling is one program too, its turns in a
fori_loop. bf16: the products' operands are cast, norms, softmax and loss stay f32."""

import json
import os
import sys

SPEC = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {"threads": 1, "type": "f32"}
os.environ["NPROC"] = str(SPEC["threads"])  # XLA reads it for its pool
if SPEC["threads"] == 1:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

import jax  # noqa: E402  (after the environment it reads)
import jax.numpy as jnp  # noqa: E402

from bench_sizes import ADAM, DROPOUT, GRU_RATE, RATE, ends, loop_values, serve, tokens  # noqa: E402

WIDE = SPEC["type"] == "f32"


def product(how, a, b):
    if WIDE:
        return jnp.einsum(how, a, b)
    return jnp.einsum(how, a.astype(jnp.bfloat16), b.astype(jnp.bfloat16))


# ---- layers ------------------------------------------------------------------------------------


def dense(key, *shape, scale=0.02):
    return scale * jax.random.normal(key, shape)


def linear_new(key, d, o):
    return {"w": dense(key, d, o), "b": jnp.zeros(o)}


def linear(p, x):
    y = product("...d,do->...o", x, p["w"])
    return y + p["b"].astype(y.dtype)


def mlp_new(key, d, hidden):
    a, b = jax.random.split(key)
    return {"in": linear_new(a, d, hidden), "out": linear_new(b, hidden, d)}


def mlp(p, x):
    return linear(p["out"], jax.nn.gelu(linear(p["in"], x), approximate=False))


def norm_new(d):
    return {"gain": jnp.ones(d), "bias": jnp.zeros(d)}


def norm(p, x):
    x = x.astype(jnp.float32)
    mu = x.mean(-1, keepdims=True)
    var = jnp.square(x - mu).mean(-1, keepdims=True)
    return (x - mu) * jax.lax.rsqrt(var + 1e-5) * p["gain"] + p["bias"]


def dropout(key, x):
    if key is None:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - DROPOUT, x.shape), x / (1 - DROPOUT), 0)


def sinusoid(positions, d):
    angle = positions[:, None] * jnp.power(10000.0, -jnp.arange(0, d, 2) / d)
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1).reshape(len(positions), d)


# ---- the flagship -------------------------------------------------------------------------------


def denoiser_new(key, size):
    d, keys = size["D"], iter(jax.random.split(key, 8 * size["N"] + 8))
    layers = [
        {
            "qkv": dense(next(keys), d, 3 * d),
            "out": dense(next(keys), d, d),
            "before": norm_new(d),
            "between": norm_new(d),
            "mlp": mlp_new(next(keys), d, size["F"]),
        }
        for _ in range(size["N"])
    ]
    return {
        "read": linear_new(next(keys), size["V"], d),
        "time": mlp_new(next(keys), d, d),
        "layers": layers,
        "norm": norm_new(d),
        "write": linear_new(next(keys), d, size["V"]),
    }


def layer(p, x, c, heads, keys):
    b, l, d = x.shape
    qkv = product("bld,do->blo", norm(p["before"], x + c[:, None]), p["qkv"])
    q, k, v = jnp.moveaxis(qkv.reshape(b, l, 3, heads, d // heads), 2, 0)
    score = product("blhe,bshe->bhls", q, k).astype(jnp.float32)
    weight = jax.nn.softmax(score / jnp.sqrt(d / heads), -1)
    a = product("bhls,bshe->blhe", weight, v).reshape(b, l, d)
    g = x + dropout(keys[0], product("bld,do->blo", a, p["out"]))
    return g + dropout(keys[1], mlp(p["mlp"], norm(p["between"], g)))


def eps_of(p, xt, t, size, key=None):
    """key: for dropout; None: the model does not train."""
    d, n = size["D"], size["N"]
    keys = [(None, None)] * n if key is None else jax.random.split(key, (n, 2))
    h = linear(p["read"], xt) + sinusoid(jnp.arange(size["L"]), d)
    c = mlp(p["time"], sinusoid(t, d))
    for one, pair in zip(p["layers"], keys):
        h = layer(one, h, c, size["H"], pair)
    return linear(p["write"], norm(p["norm"], h)).astype(jnp.float32)


def abar_of(size):
    return jnp.cumprod(1 - jnp.linspace(*ends, size["T"]))


def denoiser_loss(p, x, key, size):
    kt, ke, kd = jax.random.split(key, 3)
    t = jax.random.randint(kt, (size["B"],), 0, size["T"])
    e = jax.random.normal(ke, (size["B"], size["L"], size["V"]))
    abar = abar_of(size)[t][:, None, None]
    xt = jnp.sqrt(abar) * jax.nn.one_hot(x, size["V"]) + jnp.sqrt(1 - abar) * e
    return jnp.square(eps_of(p, xt, t, size, kd) - e).mean()


def sampler_of(size, steps, temperature, top_k):
    """The .td's sampler ddpm: (parameters, key) to symbols."""
    times = jnp.array(loop_values(size["T"], steps))
    shape = (size["B"], size["L"], size["V"])

    def sharpen(x0):
        score = jnp.log(jnp.clip(x0, 1e-4, 1)) / temperature
        if top_k:
            least = jax.lax.top_k(x0, top_k)[0][..., -1:]
            score = jnp.where(x0 < least, -jnp.inf, score)
        return jax.nn.softmax(score, -1)

    def once(p, abar, x, t, u, key):
        signal, sigma = jnp.sqrt(abar[t]), jnp.sqrt(1 - abar[t])
        ratio = abar[t] / jnp.where(u < 0, 1.0, abar[jnp.maximum(u, 0)])
        e = eps_of(p, x, jnp.full(size["B"], t), size)
        eps = (x - signal * sharpen((x - sigma * e) / signal)) / sigma
        mean = (x - (1 - ratio) / sigma * eps) / jnp.sqrt(ratio)
        return mean + jnp.where(u < 0, 0.0, jnp.sqrt(1 - ratio)) * jax.random.normal(key, shape)

    def run(p, key):
        abar = abar_of(size)
        first, rest = jax.random.split(key)
        noise = jax.random.normal(first, shape)
        x = jnp.sqrt(abar[-1]) / size["V"] + jnp.sqrt(1 - abar[-1]) * noise

        def body(k, x):
            return once(p, abar, x, times[k, 0], times[k, 1], jax.random.fold_in(rest, k))

        return jnp.argmax(jax.lax.fori_loop(0, steps, body, x), -1)

    return run


# ---- the recurrent language model ------------------------------------------------------------------


def recurrent_new(key, size):
    keys = jax.random.split(key, 6)

    def one(a, b, i, k):
        return {
            "w": dense(a, i, 3 * k, scale=0.2),
            "u": dense(b, k, 3 * k, scale=0.2),
            "c": jnp.zeros(3 * k),
        }

    return {
        "table": dense(keys[0], size["V"], size["D"]),
        "one": one(keys[1], keys[2], size["D"], size["K"]),
        "two": one(keys[3], keys[4], size["K"], size["K"]),
        "write": linear_new(keys[5], size["K"], size["V"]),
    }


def gru(p, x):
    """x [l, b, i] to [l, b, k]; gates reset, update, candidate."""
    a = product("lbi,ig->lbg", x, p["w"]).astype(jnp.float32) + p["c"]

    def turn(h, a):
        n = product("bk,kg->bg", h, p["u"]).astype(jnp.float32)
        (ar, az, aq), (nr, nz, nq) = jnp.split(a, 3, -1), jnp.split(n, 3, -1)
        r, z = jax.nn.sigmoid(ar + nr), jax.nn.sigmoid(az + nz)
        h = (1 - z) * jnp.tanh(aq + r * nq) + z * h
        return h, h

    return jax.lax.scan(turn, jnp.zeros((x.shape[1], p["u"].shape[0])), a)[1]


def recurrent_loss(p, x, key, size):
    h = gru(p["two"], gru(p["one"], p["table"][x[:, :-1].T]))
    z = jax.nn.log_softmax(linear(p["write"], h).astype(jnp.float32), -1)
    return -jnp.take_along_axis(z, x[:, 1:].T[..., None], -1).mean()


# ---- what is asked for ---------------------------------------------------------------------------------


def adam(p, g, m, v, count, rate):
    b1, b2, tree = ADAM["b1"], ADAM["b2"], jax.tree_util.tree_map
    m = tree(lambda m, g: b1 * m + (1 - b1) * g, m, g)
    v = tree(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
    c1, c2 = 1 - b1**count, 1 - b2**count

    def update(p, m, v):
        return p - rate * (m / c1) / (jnp.sqrt(v / c2) + ADAM["eps"])

    return tree(update, p, m, v), m, v


def training(spec):
    size, is_gru = spec["size"], spec["what"] == "gru"
    loss_of, rate = (recurrent_loss, GRU_RATE) if is_gru else (denoiser_loss, RATE)

    def step(state, x):
        p, m, v, count, key = state
        key, used = jax.random.split(key)
        loss, g = jax.value_and_grad(loss_of)(p, x, used, size)
        p, m, v = adam(p, g, m, v, count + 1.0, rate)
        return (p, m, v, count + 1.0, key), loss

    step = jax.jit(step, donate_argnums=0)
    p = jax.jit(lambda key: (recurrent_new if is_gru else denoiser_new)(key, size))(jax.random.key(1))
    zero = jax.tree_util.tree_map(jnp.zeros_like, p)
    state = [(p, zero, jax.tree_util.tree_map(jnp.copy, zero), jnp.zeros(()), jax.random.key(2))]

    def prepare(step):
        return jnp.array(tokens(size["B"], size["L"] + is_gru, size["V"], step), jnp.int32)

    def run(x):
        state[0], loss = step(state[0], x)
        jax.block_until_ready(state[0])
        return float(loss)

    return p, prepare, run


def sampling(spec):
    size = spec["size"]
    p = jax.jit(lambda key: denoiser_new(key, size))(jax.random.key(1))
    sample = jax.jit(sampler_of(size, spec["steps"], spec["temperature"], spec["top_k"]))
    return p, jax.random.key, lambda key: float(sample(p, key).mean())


def main():
    p, prepare, run = (sampling if SPEC["what"] == "sample" else training)(SPEC)
    weights = sum(x.size for x in jax.tree_util.tree_leaves(p))
    serve({"versions": {"jax": jax.__version__}, "weights": weights}, prepare, run)


if __name__ == "__main__":
    main()
