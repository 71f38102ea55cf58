#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# All of the benchmark in short calls that add up in one file, for a machine that is not idle for
# hours: each measures a row or a few, alone, in about a minute.
#
#   tests/bench/whole.sh FILE.json [WORDS ...]   only calls in which one of these stands: "--models gpt "
#
# PYTHON      python3 with PyTorch and JAX
# PREPARE     before each call that fills the caches of compilers, instead of measuring: "" by
#             default; PREPARE=no leaves these calls out
# MEASURE     before each call that measures: a command that waits for the machine, say
# LIMIT       seconds in which the rounds of a call are to end (but for three), 55
# CACHE       where peers' compiled code stays between calls, build/bench
set -u
file=${1:?a file for the results}
shift
python=${PYTHON:-python3} cache=${CACHE:-build/bench}
failed=0

call() { # arguments of bench.py
  local word wanted=$((${#words[@]} == 0))
  for word in ${words[@]+"${words[@]}"}; do [[ " $* " == *"$word"* ]] && wanted=1; done
  [ "$wanted" = 1 ] || return 0
  local bench=("$python" tests/bench/bench.py "$@" --cache "$cache" --threads "${threads:-1}")
  printf '\n==== %s\n' "$*"
  if [ "${PREPARE-}" != no ]; then ${PREPARE-} "${bench[@]}" --prepare || failed=1; fi
  ${MEASURE-} "${bench[@]}" --limit "${LIMIT:-55}" -o "$file" --append >"$cache/last.txt" || failed=1
  sed '/^summary:/,$d' "$cache/last.txt"
}

words=("$@")
mkdir -p "$cache"
for peer in eager compiled jax; do
  for type in f32 bf16; do
    call --only step --types $type --batch 8 --peers $peer
    call --only step --types $type --batch 32 --peers $peer --rounds 5 --warm 1
    for batch in 1 8; do call --only sampler --types $type --batch $batch --peers $peer --sampler-steps 8; done
    call --only sampler --types $type --batch 32 --peers $peer --sampler-steps 4 --rounds 5 --warm 1
  done
done
call --only step --types split3 --batch 8 --peers eager
call --only step --types split3 --batch 32 --peers eager --rounds 5 --warm 1
for peer in eager compiled; do
  call --only step --types bf16 --batch 8 --peers $peer --no-amx --rounds 5 --warm 1
  call --only step --types bf16 --batch 32 --peers $peer --no-amx --rounds 3 --warm 1
done
for type in f32 bf16; do
  for model in gru lstm experts unet image gpt gpt-sampler mask-sampler; do
    call --only models --models $model --types $type --peers eager,compiled
  done
  for model in selective window mask; do
    for peer in eager compiled; do call --only models --models $model --types $type --peers $peer; done
  done
  call --only gemm --types $type
  for batch in 8 32; do call --only memory --types $type --batch $batch --peers eager; done
  threads=1,2 call --only threads --types $type --batch 8
done
"$python" tests/bench/bench.py --targets "$file"
exit $failed
