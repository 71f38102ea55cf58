#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tests NAME... of build/aarch64 under emulation, and a training run beside one of this machine:
# numbers that both print are the same. Kernels are compiled by the cross compiler, which
# the tests find as cc; the machine is named, as "native" would be this one.
set -eu
b=build/aarch64
mkdir -p $b/bin
printf '#!/bin/sh\nexec aarch64-linux-gnu-gcc "$@"\n' >$b/bin/cc
chmod +x $b/bin/cc
export PATH="$PWD/$b/bin:$PATH" QEMU_LD_PREFIX=/
export TDC_CC=aarch64-linux-gnu-gcc TDC_CFLAGS=-mcpu=cortex-a72 TDC_CACHE=$b/cache
passed=0 failed=0
count() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >$b/$name.log 2>&1; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "---- $name:"
    tail -n 20 $b/$name.log
  fi
}
for name in "$@"; do count "$name" qemu-aarch64 $b/tests/test_"$name"; done

train() { # RUNNER...: the losses as they are printed
  "$@" train tests/models/gru_lm.td -o $b/run --overwrite --steps 3 2>&1 |
    sed -n 's/.*\(step [0-9].*loss [0-9.]*\).*/\1/p'
}
same() {
  (unset TDC_CC TDC_CFLAGS TDC_CACHE; PATH=/usr/bin:/bin; train build/tdc) >$b/here.txt
  train qemu-aarch64 $b/tdc | diff - $b/here.txt && grep -q loss $b/here.txt
}
count train same
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
