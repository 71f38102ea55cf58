# SPDX-License-Identifier: MIT
"""NumPy's matrix products, which are its BLAS's (OpenBLAS in the wheels), for bench.py."""

import json
import sys

import numpy as np

from bench_sizes import serve


def blas():
    try:
        return np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (KeyError, TypeError):
        return {}


def main():
    made, rng = {}, np.random.default_rng(1)
    for s in json.loads(sys.argv[1])["shapes"]:
        turned = {"a": s["a_turned"], "b": s["b_turned"]}
        shape = {"a": (s["m"], s["k"]), "b": (s["k"], s["n"])}
        pair = []
        for name in "ab":
            stored = shape[name][::-1] if turned[name] else shape[name]
            x = rng.standard_normal((s["batch"], *stored), dtype=np.float32)
            x = x.swapaxes(1, 2) if turned[name] else x
            pair.append(x[0] if s["batch"] == 1 else x)
        made[s["name"]] = (*pair, np.empty(pair[0].shape[:-1] + pair[1].shape[-1:], np.float32))

    def run(request):
        name, times = request
        a, b, out = made[name]
        for _ in range(times):
            np.matmul(a, b, out=out)
        return float(out.flat[0])

    known = blas()
    serve(
        {
            "versions": {"numpy": np.__version__, "blas": f"{known.get('name')} {known.get('version')}"},
            "weights": 0,
        },
        None,
        run,
    )


if __name__ == "__main__":
    main()
