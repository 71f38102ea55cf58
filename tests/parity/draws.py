# SPDX-License-Identifier: MIT
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


def philox(seed, step, site, positions, half=0):
    """The four words behind each position, as arrays of uint64 below 2^32, and which one is its own:
    positions come in 64s, word by word of 16 blocks side by side; the lower halves of 64 bits (half = 1)
    are in blocks of their own."""
    at = np.asarray(positions, dtype=np.uint64)
    own = at // np.uint64(16) % np.uint64(4)
    at = at // np.uint64(64) * np.uint64(16) + at % np.uint64(16)
    at = at | np.uint64(half << 63)
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
    return np.stack(c), own


def uniform(seed, step, name, shape, first=0):
    """Multiples of 2^-24 in [0, 1); `first`: the position of the first element."""
    words, own = philox(seed, step, site_of(name), np.arange(first, first + int(np.prod(shape))))
    word = np.take_along_axis(words, own[None].astype(np.int64), 0)[0]
    return ((word >> np.uint64(8)).astype(np.float64) * UNIT).reshape(shape)


def halves(seed, step, name, shape):
    """Upper and lower half of 64 bits; of the upper one, `uniform` has 24."""
    both = []
    for half in (0, 1):
        words, own = philox(seed, step, site_of(name), np.arange(int(np.prod(shape))), half)
        both.append(np.take_along_axis(words, own[None].astype(np.int64), 0)[0].reshape(shape))
    return both


def log_uniform(seed, step, name, shape):
    """log(u) of 64 bits, of which 24 from the nearer end of (0, 1) count, as a float holds them."""
    upper, lower = halves(seed, step, name, shape)
    one = upper >> np.uint64(31) == 1
    upper, lower = np.where(one, upper ^ LOW, upper), np.where(one, lower ^ LOW, lower)
    both = np.maximum(upper << np.uint64(32) | lower, np.uint64(1))
    near = both.astype(np.float32).astype(np.float64) * 2.0**-64
    end = np.where(upper >> np.uint64(23) > 0, upper.astype(np.float32).astype(np.float64) * 2.0**-32, near)
    return np.where(one, np.log1p(-end), np.log(end))


def pick(seed, step, n, name, shape):
    """Integers below n: of 64 bits times n the uppermost."""
    upper, lower = halves(seed, step, name, shape)
    n = np.uint64(n)
    return ((upper * n + (lower * n >> np.uint64(32))) >> np.uint64(32)).astype(np.int64)


def normal(seed, step, name, shape, first=0):
    """Box and Muller: of a pair of words come the cosine's and the sine's number."""
    words, own = philox(seed, step, site_of(name), np.arange(first, first + int(np.prod(shape))))
    pair = (own & np.uint64(2)).astype(np.int64)[None]
    a, b = np.take_along_axis(words, pair, 0)[0], np.take_along_axis(words, pair + 1, 0)[0]
    b = b - ((own & np.uint64(1)) << np.uint64(30)) & LOW
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
