#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The commands for a day with a GPU, rehearsed: they say where there is none, and their whole way
# works on the emulated device. What they measure there means nothing and is not looked at.
set -u
folder=$(mktemp -d build/tests/rehearse-XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0 skipped=0
export PYTHONDONTWRITEBYTECODE=1

check() { # name, whether it holds
  if [ "$2" -eq 0 ]; then passed=$((passed + 1)) && echo "passed $1"; else
    failed=$((failed + 1))
    echo "FAILED $1"
    tail -n 20 "$folder/said"
  fi
}

no_gpu() { # without any driver: exit 3 and why
  TDC_CUDA_LIBRARIES=$folder LD_LIBRARY_PATH= "$@" >"$folder/said" 2>&1
  [ $? -eq 3 ] && grep -q 'there is no GPU' "$folder/said"
}
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
  echo "SKIP: this machine has a driver, and cannot say that it has none"
  skipped=$((skipped + 1))
else
  no_gpu tests/gpu/check.sh build/tests
  check "check-gpu without a GPU" $?
  if command -v python3 >/dev/null; then
    no_gpu python3 tests/bench/bench_gpu.py
    check "bench-gpu without a GPU" $?
  fi
fi

if command -v python3 >/dev/null; then
  python3 tests/bench/bench_gpu.py --emulated --types bf16 --samples 1 --rounds 1 -o "$folder/bench.json" \
    >"$folder/said" 2>&1
  check "bench-gpu on the emulated device" $?
  python3 - "$folder/bench.json" >"$folder/said" 2>&1 <<'P'
import json, math, sys
r = json.load(open(sys.argv[1]))
assert r["emulated"] and r["gpu"] == "Emulated GPU", r["gpu"]
assert min(r[k] for k in ("bytes_per_second", "f32_flops", "bf16_flops", "launch_seconds")) > 0
assert [x["what"] for x in r["rows"]] == ["step", "sample"] and not r["left_out"]
for row in r["rows"]:
    side = row["sides"]["tdc"]
    assert side["median"] > 0 and side["first"] > side["median"] and side["device_bytes"] > 10000, side
    assert math.isfinite(side["loss"]) and len(side["each"]) == 1
    assert set(row["absent"]) == {"PyTorch eager", "PyTorch compiled"}, row["absent"]
(k,) = r["kernels"]
assert len(k["each"]) > 10 and abs(k["seconds"] - sum(x["seconds"] for x in k["each"])) < 1e-9
for x in k["each"]:
    floors = {"memory": x["bytes"] / r["bytes_per_second"], "launch": r["launch_seconds"]}
    assert x["seconds"] > 0 and x["floor"] >= 0.999 * x["launches"] * max(floors.values()), x
P
  check "what bench-gpu writes" $?
else
  echo "SKIP: no python3 for bench-gpu"
  skipped=$((skipped + 1))
fi
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else
  echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
