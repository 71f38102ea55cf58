#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Is what this machine's GPU does right? Check by check, then whole models.
#
#   tests/gpu/check.sh FOLDER [--emulated]     FOLDER: where check_gpu and cuda_models are
#
# Ends with the sum, "N passed, N failed, N skipped"; exit 3 where there is no GPU.
set -u
tests=$1 emulated=${2-}
passed=0 failed=0 skipped=0

part() { # a program whose last line is its sum; its exit status
  local status p f s line said
  said=$(mktemp) || exit 1
  "$@" 2>&1 | tee "$said"
  status=${PIPESTATUS[0]}
  line=$(tail -n 1 "$said")
  rm -f "$said"
  [ "$status" -eq 3 ] && return 3
  if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
    p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[4]:-0}
    [ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  else
    echo "FAILED $1: exit $status, and no sum"
    p=0 f=1 s=0
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

part "$tests/check_gpu" $emulated || exit 3
if ! command -v "${TDC_CC:-${CC:-cc}}" >/dev/null; then
  echo "SKIP whole models: no C compiler for the CPU's side of it"
  skipped=$((skipped + 1))
elif [ -n "$emulated" ]; then part "$tests/cuda_models"
else part "$tests/cuda_models" --gpu; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
