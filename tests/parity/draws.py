"""The numbers both sides start from, made without tdc: the counter-based generator
Philox4x32-10, draws by (seed, step, site, position), weights and tokens."""

import numpy as np

UNIT = 1.0 / 16777216.0
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
LOW = np.uint64(0xFFFFFFFF)
W0, W1 = 0x9E3779B9, 0xBB67AE85


def site_of(name):
    """FNV-1a over the qualified name, then a finaliser."""
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    h ^= h >> 16
    h = h * 0x85EBCA6B & 0xFFFFFFFF
    h ^= h >> 13
    h = h * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def philox(seed, step, site, positions):
    """The first two words of the block at each position, as arrays of uint64 below 2^32."""
    at = np.asarray(positions, dtype=np.uint64)
    c = [
        at & LOW,
        at >> np.uint64(32),
        np.full_like(at, step & 0xFFFFFFFF),
        np.full_like(at, step >> 32),
    ]
    k0, k1 = (seed & 0xFFFFFFFF) ^ site, seed >> 32
    for _ in range(10):
        p0, p1 = M0 * c[0], M1 * c[2]
        c = [
            p1 >> np.uint64(32) ^ c[1] ^ np.uint64(k0),
            p1 & LOW,
            p0 >> np.uint64(32) ^ c[3] ^ np.uint64(k1),
            p0 & LOW,
        ]
        k0, k1 = (k0 + W0) & 0xFFFFFFFF, (k1 + W1) & 0xFFFFFFFF
    return c[0], c[1]


def uniform(seed, step, name, shape, first=0):
    """Multiples of 2^-24 in [0, 1); `first`: the position of the first element."""
    word, _ = philox(seed, step, site_of(name), np.arange(first, first + int(np.prod(shape))))
    return ((word >> np.uint64(8)).astype(np.float64) * UNIT).reshape(shape)


def normal(seed, step, name, shape, first=0):
    """Box and Muller's cosine branch."""
    a, b = philox(seed, step, site_of(name), np.arange(first, first + int(np.prod(shape))))
    u1 = ((a >> np.uint64(8)).astype(np.float64) + 1) * UNIT
    u2 = (b >> np.uint64(8)).astype(np.float64) * UNIT
    return (np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2)).reshape(shape)


def below(n, u):
    """Integers below n from uniform numbers."""
    return np.clip(np.floor(u * n), 0, n - 1).astype(np.int64)


def weights(seed, name, shape, scale):
    """Exact in single precision, so that both precisions begin at the same point."""
    w = (uniform(seed, 0, "parity:" + name, shape) - 0.5) * scale
    return w + 1 if name.split(".")[-1] == "gain" else w


def tokens(seed, step, vocab, shape):
    return below(vocab, uniform(seed, step, "parity:x", shape))
