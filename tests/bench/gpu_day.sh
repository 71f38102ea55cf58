#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A day with a GPU, in one command: builds tdc, or takes what was built elsewhere, fetches
# NVRTC and cuBLASLt as wheels where the toolkit is not, checks the GPU and measures it.
#
#   tests/bench/gpu_day.sh [FOLDER]      results, raw, in FOLDER; else $OUT; else build/gpu_day
#
# Each part runs whatever became of the one before. Says what is missing where something is, and
# ends with 3 without a GPU, with 1 if a part failed. Nothing outside FOLDER and build/ is written.
#   PYTHON=python3    the one that has PyTorch, if any has
#   TDC_GPU_FLAGS     "--emulated" takes the emulated device: a rehearsal
set -u
cd "$(dirname "$0")/../.." || exit 1
out=${1-${OUT-build/gpu_day}}
python=${PYTHON-python3}
flags=${TDC_GPU_FLAGS-}
mkdir -p "$out" || exit 1
failed=0

say() { printf '%s\n' "$*" | tee -a "$out/day.txt"; }
part() { # name, then a command: its output in FOLDER/NAME.txt
  local name=$1 status
  shift
  say "== $name: $*"
  "$@" >"$out/$name.txt" 2>&1
  status=$?
  tail -n 25 "$out/$name.txt"
  say "== $name: exit $status after $SECONDS s"
  return $status
}

# -- the machine
{
  uname -a
  nproc
  free -g
  nvidia-smi
  nvidia-smi -q -d CLOCK,POWER,ECC
} >"$out/machine.txt" 2>&1

# -- the programs: built here; else as they are in build/; else those of `make gpu-portable`
needed="build/tdc build/tests/check_gpu build/tests/cuda_models build/tests/bench_side build/tests/gpu_peaks"
all_run() { # of that folder: are they there, with their libraries?
  local f
  for f in $needed; do
    f=$1/${f#build/}
    [ -x "$f" ] && ! ldd "$f" 2>&1 | grep -qE 'not found|not a dynamic' || return 1
  done
}
can_build=yes
for tool in make cc flex bison; do
  command -v "$tool" >/dev/null || { can_build= && say "missing: $tool"; }
done
if [ -z "$can_build" ] || ! part build make -j"$(nproc)" $needed; then
  if ! all_run build && all_run build/portable; then
    say "taking build/portable"
    for f in $needed; do
      mkdir -p "$(dirname "$f")" && cp -p "build/portable/${f#build/}" "$f" || exit 1
    done
  fi
  all_run build || {
    say "missing: programs that run here, and they cannot be built; run make gpu-portable elsewhere and bring build/portable"
    exit 1
  }
fi

# -- NVRTC and cuBLASLt, where tdc finds none
lacks() { build/tdc doctor 2>/dev/null | grep -E "^(nvrtc|cublaslt) +none" | awk '{ print $1 }'; }
if [ -z "$flags" ] && [ -n "$(lacks)" ]; then
  say "missing: $(lacks | tr '\n' ' '); trying wheels"
  wheels=$out/wheels
  if part wheels "$python" -m pip install --quiet --target "$wheels" nvidia-cuda-nvrtc nvidia-cublas ||
    part wheels12 "$python" -m pip install --quiet --target "$wheels" nvidia-cuda-nvrtc-cu12 nvidia-cublas-cu12; then
    TDC_CUDA_LIBRARIES=$(find "$PWD/$wheels" "$wheels" \( -name 'libnvrtc.so.*' -o -name 'libcublasLt.so.*' \) \
      -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    export TDC_CUDA_LIBRARIES
    say "TDC_CUDA_LIBRARIES=$TDC_CUDA_LIBRARIES"
  fi
  [ -n "$(lacks)" ] && say "missing: $(lacks | tr '\n' ' '); install the CUDA toolkit, or pip install nvidia-cuda-nvrtc nvidia-cublas"
fi
part doctor build/tdc doctor

# -- the two commands
part check tests/gpu/check.sh build/tests $flags
status=$?
[ $status -eq 3 ] && { say "no GPU: $(tail -n 1 "$out/check.txt")"; exit 3; }
[ $status -ne 0 ] && failed=1
part bench "$python" tests/bench/bench_gpu.py $flags -o "$out/bench.json" || failed=1
say "results in $out"
exit $failed
